"""The napari plugin: a dock with one panel per step; Qt and napari are used nowhere else."""
