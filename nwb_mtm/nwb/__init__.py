"""What an NWB file means: one view over HDF5, Zarr and open pynwb files; reader, inspection and writer."""
