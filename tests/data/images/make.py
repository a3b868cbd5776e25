#!/usr/bin/env python3
"""Makes the images here, the bundle ../bundles/picture and reference.json.

    python tests/data/images/make.py     needs Pillow, numpy and onnx

The model gives back its input, so that a request shows what the `image` step
made: the reference has the same from Pillow and numpy, for several parameters.
"""
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

HERE = pathlib.Path(__file__).parent
BUNDLE = HERE.parent / "bundles" / "picture"
SIDE = {"width": 8, "height": 6}
WAYS = {
    "stretch": {},
    "cover": {"resize": "cover", "shortSide": 9},
    "normalized": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    "bgr": {"colours": "BGR", "scale": 1, "mean": [103.9, 116.8, 123.7]},
}


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(5).integers(0, 40, (height, width, 3))
    waves = np.stack([x * 255 // width, y * 255 // height,
                      (x * y * 7) % 200], axis=-1)
    return Image.fromarray(np.clip(waves + noise - 20, 0, 255).astype(np.uint8))


def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body +
            struct.pack(">I", zlib.crc32(kind + body)))


def huge_png():
    """100,000 x 100,000 pixels, it says."""
    head = struct.pack(">IIBBBBB", 100000, 100000, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
            chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def bomb_png():
    """A profile that unpacks to 16 MB, in front of a small picture."""
    plain = io.BytesIO()
    picture(5, 4).save(plain, "PNG")
    head, rest = plain.getvalue()[:33], plain.getvalue()[33:]
    profile = b"icc\0\0" + zlib.compress(b"\0" * (16 << 20), 9)
    return head + chunk(b"iCCP", profile) + rest


def write_images():
    wide, tall = picture(37, 23), picture(11, 31)
    wide.save(HERE / "wide.png")
    tall.save(HERE / "tall.png")
    wide.quantize(16).save(HERE / "palette.png")
    wide.convert("L").save(HERE / "grey.png")
    alpha = wide.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(wide.size))
    alpha.save(HERE / "alpha.png")
    wide.save(HERE / "wide.jpg", quality=90)
    wide.save(HERE / "progressive.jpg", quality=80, progressive=True)
    wide.convert("L").save(HERE / "grey.jpg")
    wide.convert("CMYK").save(HERE / "cmyk.jpg")
    (HERE / "huge.png").write_bytes(huge_png())
    (HERE / "bomb.png").write_bytes(bomb_png())
    for name in ("wide.png", "wide.jpg"):
        whole = (HERE / name).read_bytes()
        (HERE / ("cut_" + name)).write_bytes(whole[:len(whole) * 2 // 3])


def resized(image, size):
    """The width first; Pillow 13 chooses, which changes some numbers by one."""
    across = image.resize((size[0], image.size[1]), Image.BILINEAR)
    return across.resize(size, Image.BILINEAR)


def prepared(image, way):
    """What torchvision's Resize and CenterCrop would make with Pillow."""
    image = image.convert("RGB")
    width, height = SIDE["width"], SIDE["height"]
    if way.get("resize") == "cover":
        side = way["shortSide"]
        w, h = image.size
        size = (side * w // h, side) if w > h else (side, side * h // w)
        image = resized(image, size)
        left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
        image = image.crop((left, top, left + width, top + height))
    else:
        image = resized(image, (width, height))
    pixels = np.asarray(image).astype(np.float64)
    if way.get("colours") == "BGR":
        pixels = pixels[:, :, ::-1]
    pixels = pixels * way.get("scale", 1 / 255)
    pixels = (pixels - way.get("mean", 0)) / way.get("std", 1)
    return [round(float(v), 7) for v in pixels.transpose(2, 0, 1).ravel()]


def write_model():
    shape = [1, 3, SIDE["height"], SIDE["width"]]
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["pixels"], ["same"], axis=1)], "picture",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT,
                                       [1, int(np.prod(shape))])])
    model = helper.make_model(graph, ir_version=8, producer_name="make.py",
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    (BUNDLE / "model.onnx").write_bytes(model.SerializeToString())


def main():
    write_images()
    write_model()
    names = ["wide.png", "tall.png", "palette.png", "grey.png", "alpha.png",
             "wide.jpg", "progressive.jpg", "grey.jpg"]
    reference = [{"parameters": way,
                  "images": {name: prepared(Image.open(HERE / name), way)
                             for name in names}}
                 for way in WAYS.values()]
    (HERE / "reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
