"""What things of a home are good for: common sense in plain words, for questions that name a use and no thing.

Each line below (one that is indented goes on) names a thing, what else it is called, and what people do with it. It is
written for homes in general; a thing that is not in it is still known by its own name. Where the memory has a text
encoder, a question is compared with these phrases by meaning; without one, by the words that they share, rare ones
first.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float32

from placecell.memory.queries import content_words, singular

__all__ = ["AFFORDANCES", "Affordances", "stem"]

AFFORDANCES: Final = """
sofa, couch, settee, loveseat: sit; relax; rest; take a nap; lie down; lounge; watch tv; read in comfort; sit with
  guests; stretch out; put up the feet; talk with a friend; read a novel
armchair, recliner: sit; relax; rest; read in comfort; watch tv; sit by the window; put up the feet; talk with a
  friend; read a novel
beanbag, bean bag: sit; lounge; relax; rest; read in comfort; play video games; sit on the floor; sit softly; put up
  the feet; read a novel
bed, bunk bed: sleep at night; go to bed; take a nap; lie down; rest when tired; get warm under a blanket; read
  before sleep; stretch out; keep warm at night; spend the night; read a novel
crib, cot, cradle: put a baby to sleep; lay a baby down; keep a baby safe; let a toddler sleep
chair, dining chair: sit; have a seat; sit down to eat; sit at a desk to work; rest for a moment; step up to reach;
  talk with a friend; rest the legs
office chair, desk chair: sit at a desk to work; have a seat; roll around
stool, bar stool, step stool: sit; have a seat at a counter; step up to reach something high; rest the legs; put up
  the feet
bench: sit; have a seat; rest; put on shoes
ottoman, footstool: put up the feet; sit; rest
pillow, cushion: rest the head; sleep; sit softly
blanket: keep warm; cover up when cold; sleep
table, dining table: eat a meal; have dinner or lunch; sit with guests; put food on; play board games; work; write;
  lay things down; slice bread; gather around
coffee table, side table, end table, nightstand: put down a drink; lay down a book; put things within reach
desk, writing desk: work; study; do homework; write; take notes; draw; use a computer; put a laptop
bookshelf, bookcase, shelf, book shelf: store books; find something to read; look up a topic; keep folders; display
  things
wardrobe, closet: store clothes; hang shirts and dresses; put away a jacket; keep shoes; get dressed; put away
  luggage; hang a sweater
dresser, chest of drawers, drawers: store clothes; put away folded clothes; keep underwear and socks; keep small
  things
cabinet, cupboard: store things; put away dishes; keep supplies
pantry: store food; find a snack
coat rack, coat stand, hanger, hook: hang a coat; hang up a jacket; put a hat; put a scarf; find something warm to
  wear; leave a wet coat
shoe rack: put shoes; store boots
boots, shoes, slippers, boot: wear on the feet; keep feet warm and dry; walk outside; go out in mud and snow; put on
  when it is raining
umbrella: stay dry in the rain; go out when it rains; shade from the sun; take along when it is raining
backpack, rucksack, bag, schoolbag: carry books to school; carry things; pack for a trip or a hike; bring along food
suitcase: pack for a trip; carry clothes
fridge, refrigerator: keep food cold; keep food fresh for long; store milk, fruit and vegetables; cool a drink; find
  something to eat; get a cold drink; keep ice cream from melting; put away groceries
freezer: keep food frozen; make ice
stove, oven, cooker: cook a meal; fry; bake; boil water; heat food; warm up leftovers; make a hot drink
microwave, microwave oven: heat food quickly; warm up leftovers; defrost; make popcorn
toaster: toast bread; make breakfast
kettle, teapot: boil water; make tea; pour hot water; make a hot drink
coffee machine, coffee maker: make coffee
kitchen counter, counter, countertop, worktop: prepare food; chop vegetables; cut bread; make a sandwich; put down
  groceries; cook; slice onions; unpack groceries
dishwasher: wash dishes; clean plates and cups
sink, basin, washbasin, faucet, tap: wash hands; brush teeth; wash the face; wash dishes; rinse a cup; clean fruit;
  get water; fill a glass; shave; wash out a stain; wipe off dirt
bathtub, bath, tub: take a bath; wash the body; soak and relax; bathe a child; soak in hot water; relax in warm water
shower: take a shower; wash the body; wash hair
toilet, loo: go to the toilet; use the bathroom; relieve oneself; pee
towel: dry the hands; dry off after a shower
mirror: look at oneself; check an outfit; shave; put on make-up
washing machine, washer: wash clothes; do the laundry; clean dirty sheets; get stains out of a shirt; wash socks
dryer: dry wet clothes
clothes rack, drying rack: dry wet clothes; hang the laundry
ironing board, iron: iron a shirt; press clothes; smooth wrinkles
vacuum cleaner, vacuum, broom, mop: clean the floor; sweep up dust
trash can, bin, dustbin, garbage can, rubbish bin, wastebasket: throw away garbage; throw away rubbish; throw
  out trash; get rid of waste; dispose of paper and peels
tv, television, tv set, monitor: watch a movie; watch tv; watch the news; watch a show; entertainment; play video
  games; see the evening news
laptop, computer, tablet: write an email; work; use the internet; write code; type a text; look something up; watch a
  movie; play games; video call; read the news
phone, telephone: call somebody; send a message
printer: print; copy documents
clock, wall clock, watch, alarm clock: tell the time; see what time it is; see how late it is; know whether it is
  late; be on time
calendar: see the date; plan the week
lamp, floor lamp, standing lamp: light up a room; get more light; read in the dark
desk lamp, table lamp, reading lamp: light a desk; get more light to work; read in the dark
candle: make a cosy light; celebrate
curtain, drape, blinds: darken a room; keep the sun out; block light; get privacy; keep neighbours from looking in
window: look outside; let in fresh air; let in daylight
fan, air conditioner: cool down; get air on a hot day
heater, radiator, fireplace: get warm; heat a room; dry things
rug, carpet, mat: sit on the floor; play on the floor; stretch; keep feet warm; wipe shoes; stretch out on the floor;
  lie down
potted plant, plant, houseplant, flower: look at something green; freshen the air; water; garden; care for a plant
vase, flower vase: put flowers in water; arrange a bouquet; decorate
painting, artwork, picture, framed painting: look at art; decorate a wall
mug, cup, glass, coffee mug: drink coffee; drink tea; drink water; pour a drink; have cocoa; have a hot drink
bowl: eat soup; eat cereal; mix a salad; serve fruit; put snacks
plate, dish: serve food; eat a meal
knife, fork, spoon: eat; cut food
pan, pot: cook; fry; boil
bottle, water bottle: drink water; quench thirst; pour a drink; carry a drink
piano, keyboard: play music; practise music; make music; play a song; entertain guests; practise for a concert; learn
  an instrument
guitar, violin: play music; practise music; make music; play and sing a song; entertain guests; practise for a
  concert; learn an instrument
speaker, radio, stereo: listen to music; hear the news
book, magazine: read; find something to read; learn; pass the time; read a bedtime story
globe, world globe, map: look up a country; learn geography; see where a place lies on the earth
teddy bear, teddy, stuffed animal, doll, stuffed bear: cuddle; hug; comfort a child; play with a child
ball, toy ball, football: play catch; kick; throw; play with children or a dog; exercise
toy car, car, toy: play; push along the floor; give a child to play with
rubber duck, duck: play in the bath; float on water
rocking horse, toy horse: ride for a toddler; rock to and fro; play for a child
toys, blocks, puzzle: play; give a child to play with
bicycle, bike: ride; ride to work; go somewhere fast; get exercise outdoors; pedal
treadmill, exercise bike, dumbbell: exercise; work out; train
ladder, stepladder: climb; reach something high; change a light bulb; reach the ceiling or the top shelf; paint a
  wall
toolbox, hammer, screwdriver: repair; fix something; screw and nail
scissors: cut paper; open a package
whiteboard, blackboard: write for everybody to see; draw a diagram; explain
kitchen: cook a meal; make food; make breakfast; eat a snack
bathroom, washroom: wash; use the toilet; take a bath; get clean; brush teeth
bedroom, sleeping room: sleep; be alone; rest in quiet; get dressed
living room, lounge, sitting room: relax; sit with guests; spend the evening; watch tv
dining room: eat a meal; have dinner with guests
office, study, home office: work; study; be quiet; concentrate; read in quiet
hallway, hall, corridor, entrance hall: leave the house; put on shoes and a coat; arrive
nursery, kids room, childrens room, playroom: children play; put a baby to sleep; keep toys
laundry room, laundry, utility room: wash clothes; iron; keep cleaning things
garage: park a car; repair; keep tools
balcony, garden, terrace: be outdoors; get fresh air; sun
"""

_BLEND: Final = 0.85  # weight of meaning against shared words
_AGREEING: Final = 3
_ANYTHING: Final = frozenset({"somewhere", "someplace", "anywhere", "place", "spot", "something", "anything", "thing"})

TextEncoder = Callable[[Sequence[str]], Float32[np.ndarray, "n d"]]


def stem(word: str) -> str:
    """A word without the endings of number and tense, so that forms of one verb meet.

    Example:
        >>> [stem(word) for word in ("washing", "washed", "naps", "napping", "making", "dried", "carries", "sing")]
        ['wash', 'wash', 'nap', 'nap', 'mak', 'dri', 'carri', 'sing']
    """
    word = singular(word)
    for ending in ("ing", "ed", "er"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search(r"[aeiouy]", rest):
            word = rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "sl" else rest
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word


class Affordances:
    """Which things serve a use that is told in words.

    Args:
        table: Lines "name, other name: use; use", see `AFFORDANCES`.
        encode: Vectors of texts, unit length, by a text encoder; None to go by shared words.

    Example:
        >>> uses = Affordances()
        >>> ranked = uses.expand("somewhere to wash my hands", ["sofa", "sink", "mug", "washing machine"])
        >>> list(ranked)[:1]
        ['sink']
        >>> uses.expand("somewhere to wash my hands", ["sofa", "mug"])
        {}
    """

    def __init__(self, table: str = AFFORDANCES, encode: TextEncoder | None = None) -> None:
        self._lines, self._weight = _read(table)
        self._encode = encode
        self._vectors: dict[str, Float32[np.ndarray, "n d"]] = {}

    def uses(self, name: str) -> tuple[str, ...]:
        """What a thing is good for; () if the table does not say.

        A longer name counts as the thing that its last words name: a "red bar stool" is a stool.
        """
        return self._line(name)[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Every thing and room of the table, by its first name."""
        return tuple(dict.fromkeys(names[0] for names, _ in self._lines.values()))

    def words(self, name: str) -> frozenset[str]:
        """Words by which a thing may be called: those of its name and of its other names."""
        return frozenset(singular(word) for text in (name, *self._line(name)[0]) for word in content_words(text))

    def likeness(self, text: str, name: str) -> float:
        """How near a name is to a text in meaning, from 0 to 1; 0 without a text encoder."""
        if self._encode is None:
            return 0.0
        vectors = self._encode([text, name])
        return max(0.0, float(vectors[0] @ vectors[1]))

    def _line(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        words = name.lower().split()
        for start in range(len(words)):
            found = self._lines.get(" ".join(words[start:]))
            if found is not None:
                return found
        return (), ()

    def expand(self, query: str, names: Iterable[str]) -> dict[str, float]:
        """How well each of these names serves a use, best first, from 0 to 1; those that do not are left out.

        Args:
            query: "somewhere to wash my hands".
            names: What there is to choose from: things and rooms.
        """
        distinct = sorted(set(names))
        asked = self._asked(query)
        shared = {name: self._shared(asked, name) for name in distinct}
        if self._encode is None:
            found = shared
        else:
            meant = self._meant(query, distinct)
            found = {name: _BLEND * meant[name] + (1 - _BLEND) * shared[name] for name in distinct}
        ranked = sorted(found, key=lambda name: (-round(found[name], 6), name))
        return {name: min(found[name], 1.0) for name in ranked if found[name] > 0}

    def _asked(self, query: str) -> dict[str, float]:
        words = content_words(query)
        telling = [word for word in words if singular(word) not in _ANYTHING] or words  # "somewhere" is no use
        return {word: self._weight.get(word, 0.0) for word in map(stem, telling)}

    def _shared(self, asked: Mapping[str, float], name: str) -> float:
        """Cosine of weighted words with the best use; the name itself is a use."""
        size = math.sqrt(sum(weight**2 for weight in asked.values()))
        best = 0.0
        for use in (*self.uses(name), name):
            words = _stems(use)
            common = sum(asked.get(word, 0.0) ** 2 for word in words)
            if common > 0:
                length = math.sqrt(sum(self._weight.get(word, 0.0) ** 2 for word in words))
                best = max(best, common / max(size * length, 1e-9))
        return best

    def _meant(self, query: str, names: Sequence[str]) -> dict[str, float]:
        """Mean cosine with the few best uses, the name being one: that a single one is near may be chance."""
        assert self._encode is not None
        missing = [name for name in names if name not in self._vectors]
        texts = [text for name in missing for text in (name, *self.uses(name))]
        if texts:
            vectors, start = self._encode(texts), 0
            for name in missing:
                end = start + 1 + len(self.uses(name))
                self._vectors[name], start = vectors[start:end], end
        asked = self._encode([query])[0]
        cosines = {name: np.sort(self._vectors[name] @ asked) for name in names}
        return {name: max(0.0, float(found[-_AGREEING:].mean())) for name, found in cosines.items()}


@lru_cache(maxsize=8192)
def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, content_words(text)))


@lru_cache(maxsize=8)
def _read(table: str) -> tuple[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]], Mapping[str, float]]:
    """Names and uses by each name, and how telling each stem is: one of few lines more."""
    lines: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    seen: Counter[str] = Counter()
    rows = re.sub(r"\n +", " ", table.strip()).splitlines()
    for row in rows:
        called, _, told = row.partition(":")
        names = tuple(name.strip() for name in called.split(","))
        uses = tuple(use.strip() for use in told.split(";") if use.strip())
        if not uses:
            raise ValueError(f"a line of uses looks like 'sofa, couch: sit; take a nap', got {row!r}")
        seen.update(frozenset().union(*map(_stems, (*names, *uses))))
        lines |= dict.fromkeys(names, (names, uses))
    weight = {word: math.log(1 + len(rows) / number) for word, number in seen.items()}
    return MappingProxyType(lines), MappingProxyType(weight)
