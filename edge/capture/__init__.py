"""What runs in a camera's own process. Nothing here imports the rest of the daemon.

The daemon kills that process when the camera hangs: a read that blocks cannot be interrupted,
and closing a capture from another thread crashes OpenCV and FFmpeg.
"""
