"""What each type of room holds: the things that make it that type, further furniture, and small things on top."""

from __future__ import annotations

__all__ = ["OPTIONAL", "SIGNATURES", "SMALL"]

SIGNATURES: dict[str, tuple[str, ...]] = {
    "living room": ("sofa", "tv"),
    "bedroom": ("bed", "wardrobe"),
    "kitchen": ("kitchen counter", "fridge", "stove"),
    "dining room": ("table", "chair"),
    "office": ("desk", "bookshelf"),
    "bathroom": ("bathtub", "toilet", "sink"),
    "hallway": ("coat rack",),
    "laundry room": ("washing machine", "ironing board"),
    "nursery": ("crib", "rocking horse"),
}

OPTIONAL: dict[str, tuple[str, ...]] = {
    "living room": (
        "rug",
        "floor lamp",
        "potted plant",
        "piano",
        "guitar",
        "beanbag",
        "painting",
        "clock",
        "curtain",
        "bookshelf",
        "table",
        "ball",
        "dresser",
        "piano",
    ),
    "bedroom": (
        "dresser",
        "rug",
        "curtain",
        "painting",
        "floor lamp",
        "backpack",
        "guitar",
        "desk",
        "beanbag",
        "boots",
    ),
    "kitchen": ("table", "stool", "stool", "trash can", "clock", "curtain", "potted plant"),
    "dining room": ("dresser", "rug", "painting", "clock", "potted plant", "curtain", "floor lamp", "piano"),
    "office": (
        "trash can",
        "clock",
        "floor lamp",
        "painting",
        "potted plant",
        "backpack",
        "curtain",
        "rug",
        "ladder",
        "bicycle",
    ),
    "bathroom": ("trash can", "curtain", "stool", "washing machine"),
    "hallway": ("umbrella", "boots", "bicycle", "backpack", "painting", "dresser", "bicycle", "desk", "ladder"),
    "laundry room": ("ladder", "trash can", "boots", "bicycle", "umbrella", "dresser", "wardrobe"),
    "nursery": (
        "teddy bear",
        "toy car",
        "ball",
        "rug",
        "dresser",
        "curtain",
        "beanbag",
        "toy car",
        "teddy bear",
        "painting",
    ),
}

SMALL: dict[str, tuple[str, ...]] = {
    "living room": ("book", "vase", "mug", "bowl", "laptop", "globe", "desk lamp"),
    "bedroom": ("book", "desk lamp", "teddy bear", "vase", "laptop", "toy car", "globe"),
    "kitchen": ("kettle", "microwave", "bowl", "mug", "bottle"),
    "dining room": ("bowl", "vase", "bottle", "mug", "kettle"),
    "office": ("laptop", "desk lamp", "globe", "mug", "book"),
    "bathroom": ("rubber duck",),
    "hallway": ("vase", "book", "desk lamp", "globe"),
    "laundry room": ("bottle", "bowl", "kettle"),
    "nursery": ("toy car", "globe", "teddy bear", "ball", "book"),
}
