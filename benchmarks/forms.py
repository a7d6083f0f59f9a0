"""Forms of images, as clients send them."""

import itertools

BOUNDARY = "vernier-benchmark"


def multipart(images: list[bytes]) -> bytes:
    """A form with a part named `frames` for each image."""
    head = 'Content-Disposition: form-data; name="frames"; filename="{}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    opening = f"--{BOUNDARY}\r\n".encode()
    parts = (opening + head.format(index).encode() + image + b"\r\n" for index, image in enumerate(images))
    return b"".join(itertools.chain(parts, [f"--{BOUNDARY}--\r\n".encode()]))


def images_of(form: bytes) -> list[bytes]:
    """The images of `multipart`'s form."""
    parts = form.split(f"--{BOUNDARY}".encode())[1:-1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
