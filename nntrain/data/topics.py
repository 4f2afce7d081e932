"""Made-up documents on several topics each."""

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import LabelSet, Vector


@data("topics", within=InMemory)
def topics(*, examples: Count = 2000, words: Count = 40, topics: Count = 6, each: Count = 2, seed: Whole = 0) -> Source:
    """Made-up documents, as counts of words; each is on several topics, or none: the labels to be found.

    The number of topics of a document is Poisson's with mean `each`; each topic has its own shares of the words, and
    a document's words are drawn from those of its topics, or evenly where it has none.
    Source: as sklearn.datasets.make_multilabel_classification, which makes them.

    Settings:
        examples: how many documents
        words: how many different words
        topics: how many topics
        each: how many a document has, on average
        seed: of the documents
    """
    from sklearn.datasets import make_multilabel_classification

    counts, labels = make_multilabel_classification(
        n_samples=examples, n_features=words, n_classes=topics, n_labels=each, random_state=seed % 2**32
    )
    names = tuple(f"topic {i + 1}" for i in range(topics))
    documents = Examples(torch.as_tensor(counts, dtype=torch.float32), torch.as_tensor(labels, dtype=torch.int64))
    return Source("topics", Vector(words), LabelSet(names), documents)
