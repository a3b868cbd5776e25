"""Images: what the `image` step makes of them, and of what is none.

The numbers are those of tests/data/images/reference.json, made with Pillow.
"""
import base64
import json
import unittest

import bundles
import harness
import rpc

IMAGES = harness.ROOT / "tests/data/images"
BUNDLE = harness.ROOT / "tests/data/bundles/picture"
REFERENCE = json.loads((IMAGES / "reference.json").read_text())
STEP = "{input: picture, tensor: pixels}"
LEVEL = 1 / 255  # of brightness; decoders of JPEG may differ by one
# name, the text sent, status, error_code
BAD = [
    ("no base64", "%%%%", 400, "VALIDATION_ERROR"),
    ("a URL", "http://169.254.169.254/x.png", 400, "VALIDATION_ERROR"),
    ("a file", "file:///etc/passwd", 400, "VALIDATION_ERROR"),
    ("data: without base64", "data:image/png,abc", 400, "VALIDATION_ERROR"),
    ("bad base64 in data:", "data:image/png;base64,A", 400, "VALIDATION_ERROR"),
    ("nothing", "", 400, "VALIDATION_ERROR"),
    ("a text", base64.b64encode(b"hello").decode(), 400, "VALIDATION_ERROR"),
    ("a GIF", base64.b64encode(b"GIF89a" + bytes(20)).decode(), 400,
     "VALIDATION_ERROR"),
    ("too many bytes", base64.b64encode(bytes(300000)).decode(), 200,
     "INPUT_TOO_LONG"),
]
BAD_FILES = ["huge.png", "cut_wide.png", "cut_wide.jpg", "cmyk.jpg"]


def encoded(name):
    return base64.b64encode((IMAGES / name).read_bytes()).decode()


class Images(harness.Case):
    def serve(self, **step):
        if not step:
            return self.start(harness.Server, bundle=BUNDLE)
        more = json.dumps(step)[1:-1]
        bundle = bundles.copied(
            self.folder.name, BUNDLE, f"picture{len(self.programs)}",
            modelservice=[(STEP, f"{STEP[:-1]}, {more}}}")])
        return self.start(harness.Server, bundle=bundle)

    def predict(self, server, picture):
        return harness.rest_json(server.port, "POST", "/predict", {
            "input_type": "image", "data": {"picture": picture}})

    def test_pixels_are_those_of_pillow(self):
        for group in REFERENCE:
            way = group["parameters"]
            server = self.serve(**way)
            spread = min(way.get("std", [1])) / (way.get("scale", LEVEL))
            for name, want in group["images"].items():
                with self.subTest(way=way, image=name):
                    status, answer = self.predict(server, encoded(name))
                    self.assertEqual(status, 200, answer)
                    got = answer["results"]["same"]
                    worst = max(abs(a - b) * spread
                                for a, b in zip(got, want, strict=True))
                    # in levels of brightness; JPEG decoders round differently
                    self.assertLess(worst, 2.01 if name.endswith("jpg") else 0.01)

    def test_data_uri_and_bytes_are_the_same(self):
        server = self.serve()
        _, plain = self.predict(server, encoded("wide.png"))
        _, uri = self.predict(server, "data:image/png;base64," +
                              encoded("wide.png"))
        self.assertEqual(plain["results"], uri["results"])
        client = rpc.Client(server.port)
        self.addCleanup(client.close)
        code, message, _, text = client.call(
            "specserve.runtime.v1.ModelRuntime", "Predict",
            {"input_type": "image",
             "data": {"picture": (IMAGES / "wide.png").read_bytes()}})
        self.assertEqual(code.name, "OK", text)
        for a, b in zip(message["results"]["same"], plain["results"]["same"],
                        strict=True):
            self.assertAlmostEqual(a, b, delta=1e-6)

    def test_what_is_no_image_is_refused(self):
        server = self.serve()
        cases = BAD + [(name, encoded(name), 400, "VALIDATION_ERROR")
                       for name in BAD_FILES]
        before = harness.resident_kb(server.process)
        for name, picture, status, code in cases:
            with self.subTest(name):
                got, answer = self.predict(server, picture)
                self.assertEqual((got, answer["error_code"]), (status, code),
                                 answer)
                self.assertEqual(harness.rest(server.port, "GET", "/health")[0],
                                 200)
        self.predict(server, encoded("bomb.png"))
        # a sanitizer keeps what was freed for a while
        self.assertLess(harness.resident_kb(server.process) - before,
                        12000 * harness.PATIENCE)
        self.assertEqual(self.predict(server, encoded("wide.png"))[0], 200)

    def test_limit_of_pixels(self):
        server = self.serve(maxPixels=400)
        status, answer = self.predict(server, encoded("tall.png"))
        self.assertEqual(status, 200, answer)
        status, answer = self.predict(server, encoded("wide.png"))
        self.assertEqual(status, 400)
        self.assertIn("37 x 23 pixels, at most 400", answer["error"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
