#pragma once
// tarn_ask(TOKEN, NAME, INPUT): a scalar function whose values come from the server (ai_query). A statement that has it names its token in its
// text; a vector of inputs goes out as one `question` frame of the statement's request, and DuckDB's thread waits for the `reply`. Equal inputs of a
// vector are asked once. tarn_ask_each() gives 'v' and the value, or 'e' and why there is none.
#include "engine/child/instance.h"
#include "engine/child/task.h"
#include "engine/frames.h"

namespace tarn::engine::child {

/// For as long as it lives, questions with the tokens in `sql` are asked in the name of the task.
class Asking {
 public:
  Asking(Task& task, FrameWriter& out, const std::string& sql);
  Asking(const Asking&) = delete;
  ~Asking();

 private:
  std::vector<std::string> tokens_;
};

/// Registers the functions. Empty, or what DuckDB refused.
std::string register_questions(duckdb_connection connection);

}  // namespace tarn::engine::child
