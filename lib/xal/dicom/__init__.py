"""DICOM objects, pure: datasets and arrays in, datasets and arrays out; knows neither network nor store."""
