"""Images of a hospital's archive, by DICOMweb: found, fetched, kept as pixels and geometry, and written back to."""
