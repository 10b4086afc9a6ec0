"""Image data sets: CIFAR in the forms people have it, scikit-learn's digits, folders; augmentation in batches."""

from tart_nas.choices import IMAGE_DATASETS
from tart_nas.images.augmentation import Augmentation, normalize
from tart_nas.images.folders import FileSplit, FolderData
from tart_nas.images.loading import load_image_folder, load_images
from tart_nas.images.splits import ImageData, ImageSplit

AnyImages = ImageData | FolderData
AnySplit = ImageSplit | FileSplit

__all__ = [
    "IMAGE_DATASETS",
    "AnyImages",
    "AnySplit",
    "Augmentation",
    "FileSplit",
    "FolderData",
    "ImageData",
    "ImageSplit",
    "load_image_folder",
    "load_images",
    "normalize",
]
