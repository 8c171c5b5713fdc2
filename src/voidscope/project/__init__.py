"""The truth on disk: scans, split, classes, settings, labels and cycles in one readable folder."""

from voidscope.project.cycles import Cycle
from voidscope.project.labels import LabelRecord, Labels
from voidscope.project.manifest import package_version
from voidscope.project.project import Project
from voidscope.project.scans import ScanRecord, record_scan

__all__ = ["Cycle", "LabelRecord", "Labels", "Project", "ScanRecord", "package_version", "record_scan"]
