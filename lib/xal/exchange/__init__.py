"""What comes in and goes out: exports, backups, the objects of an archive, MONAI Label's own store."""
