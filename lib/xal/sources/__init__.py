"""Where images come from: a folder, or an archive over DICOMweb."""
