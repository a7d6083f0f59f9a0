from hypothesis import given
from hypothesis import strategies as st

from benchmarks.forms import images_of, multipart


@given(st.lists(st.binary(min_size=1).map(lambda each: each.replace(b"-", b"+")), min_size=1, max_size=5))
def test_a_form_gives_its_images_back(images: list[bytes]) -> None:
    assert images_of(multipart(images)) == images
