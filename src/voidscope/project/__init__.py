"""The truth on disk: scans, split, classes, settings, labels and cycles in one readable folder."""

from voidscope.project.cycles import Cycle
from voidscope.project.drafting import Made, Putting, Turning
from voidscope.project.exporting import changed_files, export_report
from voidscope.project.importing import (
    Imported,
    answer_suggestions,
    import_labels,
    import_truth,
    parse_map,
    parse_slices,
    project_truth,
    truth_of,
)
from voidscope.project.journal import DamagedStep
from voidscope.project.label_files import LabelRecord, PackedLabel, StoredLabel
from voidscope.project.labels import Labels
from voidscope.project.manifest import no_project, package_version
from voidscope.project.project import Project
from voidscope.project.queue import Mark, Queue, State
from voidscope.project.register import (
    has_register,
    is_recorded,
    not_as_recorded,
    record_pdf,
    record_report,
)
from voidscope.project.removing import RemovedScan, removed_twin
from voidscope.project.results import report_files
from voidscope.project.scans import (
    OpenedOnce,
    ScanRecord,
    SliceReader,
    fingerprint,
    fingerprint_method,
    record_scan,
)
from voidscope.project.studies import Drawing, PartRecord, Study, StudyPlan, study_of
from voidscope.project.turned import Turned

__all__ = [
    "Cycle",
    "DamagedStep",
    "Drawing",
    "Imported",
    "LabelRecord",
    "Labels",
    "Made",
    "Mark",
    "OpenedOnce",
    "PackedLabel",
    "PartRecord",
    "Project",
    "Putting",
    "Queue",
    "RemovedScan",
    "ScanRecord",
    "SliceReader",
    "State",
    "StoredLabel",
    "Study",
    "StudyPlan",
    "Turned",
    "Turning",
    "answer_suggestions",
    "changed_files",
    "export_report",
    "fingerprint",
    "fingerprint_method",
    "has_register",
    "import_labels",
    "import_truth",
    "is_recorded",
    "no_project",
    "not_as_recorded",
    "package_version",
    "parse_map",
    "parse_slices",
    "project_truth",
    "record_pdf",
    "record_report",
    "record_scan",
    "removed_twin",
    "report_files",
    "study_of",
    "truth_of",
]
