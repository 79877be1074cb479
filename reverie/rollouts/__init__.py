"""Episodes on disk: storage, policies, the processes that play, recording, streams of frames."""
