"""From pixels and text to vectors and events: encoders, tiles, videos, subtitles, scene cuts."""
