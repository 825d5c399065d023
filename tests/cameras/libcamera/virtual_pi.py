"""Lets picamera2 run on libcamera's virtual camera, on any Linux kernel; loaded at start-up.

* picamera2 imports pykms for its preview window: a stand-in;
* it asks every camera for a Raw role, which the virtual one has not: the viewfinder's instead;
* its buffers come from /dev/dma_heap, which only a Raspberry Pi has: memory of ours.
"""

import importlib.abc
import importlib.util
import mmap
import os
import sys
import types


class _Names(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


kms = types.ModuleType("pykms")
kms.PixelFormat = _Names("PixelFormat", (), {})
sys.modules["pykms"] = kms


class Finder(importlib.abc.MetaPathFinder):
    """Changes picamera2 when it has been imported."""

    def find_spec(self, name, path, target=None):
        if name != "picamera2":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


def change(picamera2):
    import libcamera
    from picamera2.allocators import DmaAllocator
    from picamera2.allocators.allocator import Allocator, Sync

    class Mapped(Sync):
        def __init__(self, allocator, buffer, write):
            self.map = allocator.mapped_buffers[buffer]

        def __enter__(self):
            return self.map

        def __exit__(self, *_):
            pass

        def get_buffer(self):
            return self.map

    class MemfdAllocator(DmaAllocator):
        def __init__(self):
            Allocator.__init__(self)
            self.dmaHeap = None
            self.mapped_buffers, self.mapped_buffers_used, self.frame_buffers = {}, {}, {}
            self.open_fds, self.libcamera_fds = [], []
            self.sync = Mapped

        def allocate(self, libcamera_config, _):
            self.libcamera_fds = []
            self.cleanup()
            for descriptor in self.open_fds:
                os.close(descriptor)
            self.frame_buffers, self.open_fds = {}, []
            for stream in libcamera_config:
                buffers = [self.buffer(stream, libcamera) for _ in range(stream.buffer_count)]
                self.frame_buffers[stream.stream] = buffers

        def buffer(self, stream, libcamera):
            descriptor = os.memfd_create("camera")
            os.ftruncate(descriptor, stream.frame_size)
            self.open_fds.append(descriptor)
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = descriptor, 0, stream.frame_size
            buffer = libcamera.FrameBuffer([plane])
            self.libcamera_fds.append(plane.fd)
            self.mapped_buffers_used[plane.fd] = False
            self.mapped_buffers[buffer] = mmap.mmap(descriptor, stream.frame_size)
            return buffer

    def raw_modes(camera):
        roles = libcamera.StreamRole
        made = camera.camera.generate_configuration([roles.Raw])
        made = made or camera.camera.generate_configuration([roles.Viewfinder])
        formats = made.at(0).formats
        return [
            {"format": str(one), "size": (size.width, size.height)}
            for one in formats.pixel_formats
            for size in formats.sizes(one) or [formats.range(one).max]
        ]

    picamera2.Picamera2._get_raw_modes = raw_modes
    picamera2.picamera2.DmaAllocator = MemfdAllocator


sys.meta_path.insert(0, Finder())
