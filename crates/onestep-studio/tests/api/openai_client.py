"""The official client of OpenAI's API against the studio: it generates, streams, edits and varies. Run by .ci/studio.

STUDIO is the address of the server.
"""

import base64
import os
import struct
import unittest
import warnings
import zlib

from openai import BadRequestError, NotFoundError, OpenAI

CLIENT = OpenAI(base_url=os.environ["STUDIO"] + "/v1", api_key="anything")


def size_of(image):
    """Width and height of the PNG of an answer."""
    return struct.unpack(">II", base64.b64decode(image.b64_json)[16:24])


def png(width, height, pixel):
    """A PNG whose pixels are a function of their place: red, green, blue, alpha."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


FACE = ("face.png", png(16, 16, lambda x, y: (16 * x, 16 * y, 128, 255)), "image/png")
MASK = ("mask.png", png(16, 16, lambda x, y: (0, 0, 0, 0 if 5 <= y < 9 else 255)), "image/png")


class Client(unittest.TestCase):
    def test_generates(self):
        asked = {"prompt": "a face", "n": 2, "size": "256x256", "extra_body": {"seed": 7, "steps": 2}}
        answer, again = CLIENT.images.generate(**asked), CLIENT.images.generate(**asked)
        self.assertEqual([size_of(image) for image in answer.data], [(256, 256)] * 2)
        self.assertEqual([image.seed for image in answer.data], [7, 8])
        self.assertEqual(answer.data[1].b64_json, again.data[1].b64_json)

    def test_streams(self):
        events = list(CLIENT.images.generate(prompt="", stream=True, partial_images=2, extra_body={"steps": 4}))
        kinds = [event.type.removeprefix("image_generation.") for event in events]
        self.assertEqual(kinds, ["partial_image", "partial_image", "completed"])

    def test_edits(self):
        answer = CLIENT.images.edit(image=FACE, mask=MASK, prompt="eyes", n=3)
        self.assertEqual([size_of(image) for image in answer.data], [(16, 16)] * 3)

    def test_varies(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = CLIENT.images.create_variation(image=FACE, n=2, size="256x256")
        self.assertEqual(len(answer.data), 2)

    def test_lists_models(self):
        names = [model.id for model in CLIENT.models.list()]
        self.assertEqual(CLIENT.models.retrieve(names[0]).id, names[0])

    def test_is_refused_in_its_own_errors(self):
        with self.assertRaisesRegex(BadRequestError, "`n` must be 1 to 10"):
            CLIENT.images.generate(prompt="", n=99)
        with self.assertRaisesRegex(NotFoundError, "there is no model"):
            CLIENT.images.generate(prompt="", model="dall-e-3")


if __name__ == "__main__":
    unittest.main()
