// Anchors the precompiled header that the rooms share.
