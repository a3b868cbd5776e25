"""The gRPC door of the model server, by clients that know nothing of it."""
import unittest

import bad_grpc
import harness
import reflection_client


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        assert code == 0, cls.server.logged()

    def address(self):
        return f"127.0.0.1:{self.server.port}"

    def test_a_client_with_only_reflection_calls_everything(self):
        self.assertTrue(reflection_client.run(self.address(), {"Shutdown"}))

    def test_bad_calls_get_the_right_status_and_hurt_nobody(self):
        # the bundle's ModelService limits requests to 64 KiB
        self.assertTrue(bad_grpc.run_all(("127.0.0.1", self.server.port), "",
                                         limit=65536))


if __name__ == "__main__":
    unittest.main()
