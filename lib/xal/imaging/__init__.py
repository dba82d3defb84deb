"""Images and label maps: decoded, checked, and brought onto one grid."""
