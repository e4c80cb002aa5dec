"""Keys of the index: SEARCH."""

import re

from fastpatent.config.key import OurNoFeature, Rule, at_least, one_of

FAISS, MILVUS = "faiss", "milvus"
URI = Rule(
    lambda value: not value or bool(re.fullmatch(r"https?://[^\s/]+/?|[^:]+\.db", value)),
    "http://host:19530, https://host, or a file NAME.db of milvus-lite",
)
NAME = Rule(
    lambda value: bool(re.fullmatch(r"[A-Za-z_]\w{0,99}", value, re.ASCII)),
    "up to 100 letters, digits and _, no digit first",
)

KEYS = (
    OurNoFeature(
        "SEARCH.BACKEND", FAISS, "where `index build` puts the vectors: files and FAISS, or Milvus", one_of(FAISS, MILVUS)
    ),
    OurNoFeature("SEARCH.URI", "", "address of Milvus; the token is `FASTPATENT_MILVUS_TOKEN` of the environment", URI),
    OurNoFeature("SEARCH.COLLECTION", "fastpatent", "first part of the name of the collection in Milvus", NAME),
    OurNoFeature("SEARCH.SHARDS", 1, "parts of the collection that are written in parallel", at_least(1, 64)),
    OurNoFeature("SEARCH.REPLICAS", 1, "copies of the collection in memory that answer", at_least(1, 64)),
)
