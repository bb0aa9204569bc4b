"""Images from files, and pictures of images: NumPy, and Pillow where a picture is decoded."""
