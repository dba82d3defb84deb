"""Active learning that looks where the radiologist looks: a MONAI Label app and the library below it."""
