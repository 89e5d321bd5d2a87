"""How many classes data sets have that are the same everywhere."""

from __future__ import annotations

from usb_negsamp.errors import ConfigError

CLASSES_OF_SOURCE: dict[str, int] = {
    "digits": 10,
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
    "stl10": 10,
    "eurosat": 10,
    "tissuemnist": 8,
    "semi_aves": 200,
    "semi_aves_out": 200,
    "imagenet": 1000,
    "imagenet127": 127,
    "aclImdb": 2,
    "ag_news": 4,
    "amazon_review": 5,
    "dbpedia": 14,
    "yahoo_answers": 10,
    "yelp_review": 5,
    "esc50": 50,
    "fsdnoisy": 20,
    "gtzan": 10,
    "urbansound8k": 10,
}


def check_number_of_classes(dataset: str, num_classes: int) -> None:
    """Refuse another number of classes than the data set has.

    Raises:
        ConfigError: the data set is known to have another.
    """
    number = CLASSES_OF_SOURCE.get(dataset, num_classes)
    if num_classes != number:
        raise ConfigError(f"num_classes: expected {number} for dataset {dataset}, but got {num_classes}")
