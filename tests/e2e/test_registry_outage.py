"""The registry is away for a minute: predictions do not notice, and the server
registers again by itself.
"""
import time
import unittest

import harness

AWAY_S = 60
REQUEST = {"input_type": "text", "data": {"text": "CC(=O)Oc1ccccc1C(=O)O"}}


@unittest.skipIf(harness.SHARE < 1, "a minute is as long in sanitizer builds")
class Outage(harness.Case):
    def entries(self, registry):
        return [(entry["model_name"], entry["port"], entry["process_id"])
                for entry in registry.registrations()]

    def predict(self):
        """As always, and as fast as always."""
        begin = time.monotonic()
        status, answer = harness.rest_json(self.server.port, "POST", "/predict",
                                           REQUEST)
        self.assertLess(time.monotonic() - begin, 2 * harness.PATIENCE)
        self.assertEqual((status, answer["results"]), (200, self.right))
        return True

    def test_a_minute_without_registry(self):
        registry = self.start(harness.Registry)
        self.server = server = self.start(
            harness.Server, registry=f"http://127.0.0.1:{registry.port}")
        before = harness.wait_until(lambda: self.entries(registry), 20,
                                    "registered")
        self.right = harness.rest_json(server.port, "POST", "/predict",
                                       REQUEST)[1]["results"]
        registry.kill()  # and what it knew with it
        end, predictions = time.monotonic() + AWAY_S, 0
        while time.monotonic() < end:
            predictions += self.predict()
            time.sleep(0.01)  # other tests run beside this one
        self.assertGreater(predictions, AWAY_S * 10)
        again = self.start(harness.Registry, port=registry.port)
        after = harness.wait_until(
            lambda: self.predict() and self.entries(again), 60, "registered again")
        self.assertEqual(after, before)
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertEqual(again.registrations(), [])


if __name__ == "__main__":
    unittest.main()
