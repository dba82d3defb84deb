"""The MONAI Label side: the only part of xal that imports monailabel."""
