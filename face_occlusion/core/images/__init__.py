"""Decode photographs and masks of any common kind; encode JPEG and PNG, the same bytes each time.

One core, 1024x1024, milliseconds. JPEG: simplejpeg decodes in 2.8, OpenCV in 5.3, Pillow in 5.7.
PNG of a mask: our writer 1.3 and 0.4 to decode again, OpenCV's 1.3 and 3.6, Pillow's 2.5 and 1.0;
of a cut-out (RGBA): ours 14 and 7, OpenCV's 14 and 11, Pillow's 28 and 12.
Colour profiles are left unread: values are taken as sRGB.
"""

from face_occlusion.core.images.decoding import (
    MAX_PIXELS,
    decode_image,
    decode_mask,
    decode_rgba,
    is_plain_jpeg,
)
from face_occlusion.core.images.encoding import (
    encode_jpeg,
    encode_palette_png,
    encode_png,
    encode_rgba,
    fitted_jpeg,
    fitted_size,
    reduced,
    resize_image,
    straight_alpha,
)
from face_occlusion.core.images.resampling import enlarge_cubic, look_up, warp_affine, warp_cutout
