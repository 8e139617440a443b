#pragma once
// What each request does; the answer goes out as frames. Throw Refused for an error to be sent.
#include "engine/child/instance.h"
#include "engine/child/task.h"
#include "engine/frames.h"

namespace tarn::engine::child {

void run(Instance& instance, Task& task, FrameWriter& out);
void write(Instance& instance, Task& task, FrameWriter& out);
void describe(Instance& instance, Task& task, FrameWriter& out);

}  // namespace tarn::engine::child
