#include "engine/child/questions.h"

#include <map>

#include "engine/functions/fallible.h"

namespace tarn::engine::child {
namespace {

struct Asker {
  Task* task;
  FrameWriter* out;
};
std::mutex askers_mutex;
std::map<std::string, Asker> askers;
std::atomic<std::uint64_t> next_question{1};

std::string_view asked_text(duckdb_vector vector, idx_t row) {
  auto* s = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(s), duckdb_string_t_length(*s)};
}

void ask(duckdb_data_chunk input, duckdb_vector output, bool each) {
  const idx_t rows = duckdb_data_chunk_get_size(input);
  duckdb_vector columns[] = {duckdb_data_chunk_get_vector(input, 0), duckdb_data_chunk_get_vector(input, 1), duckdb_data_chunk_get_vector(input, 2)};
  const auto there = [&](int column, idx_t row) { return duckdb_validity_row_is_valid(duckdb_vector_get_validity(columns[column]), row); };
  // Mostly one name; each has its own question.
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::vector<idx_t>>> asked;
  duckdb_vector_ensure_validity_writable(output);
  auto* nulls = duckdb_vector_get_validity(output);
  for (idx_t row = 0; row < rows; ++row) {
    if (there(0, row) && there(1, row) && there(2, row))
      asked[{std::string(asked_text(columns[0], row)), std::string(asked_text(columns[1], row))}][std::string(asked_text(columns[2], row))].push_back(
          row);
    else
      duckdb_validity_set_row_invalid(nulls, row);
  }
  for (const auto& [whom, inputs] : asked) {
    Asker asker;
    {
      std::lock_guard lock(askers_mutex);
      const auto i = askers.find(whom.first);
      if (i == askers.end()) throw std::runtime_error("[UNSUPPORTED_FEATURE] ai_query cannot be asked here. SQLSTATE: 0A000");
      asker = i->second;
    }
    const auto id = next_question++;
    Encoder e;
    e.u64(id), e.text(whom.first), e.text(whom.second), e.u8(each), e.u32(static_cast<std::uint32_t>(inputs.size()));
    for (const auto& [text, places] : inputs) e.text(text);
    if (e.out.size() > most_payload) throw std::runtime_error("ai_query: the inputs of 2048 rows are larger than 16 MB");
    asker.out->send(FrameType::question, asker.task->id, e.out);
    const auto reply = asker.task->await_reply(id);
    if (!reply) throw std::runtime_error("INTERRUPT Error: Interrupted!");
    Decoder d(*reply);
    d.u64();
    if (!d.u8()) throw std::runtime_error(d.text());
    for (const auto& [text, places] : inputs) {
      const auto kind = static_cast<Answer::Kind>(d.u8());
      auto value = d.text();
      if (!d.ok()) throw std::runtime_error("ai_query: the answer is malformed");
      if (kind == Answer::Kind::failed && !each) throw std::runtime_error(value);
      if (each) value.insert(0, kind == Answer::Kind::failed ? "e" : "v");
      for (const auto row : places)
        if (kind == Answer::Kind::null)
          duckdb_validity_set_row_invalid(nulls, row);
        else
          duckdb_vector_assign_string_element_len(output, row, value.data(), value.size());
    }
  }
}

template <bool each>
void run_question(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  try {
    ask(input, output, each);
  } catch (const std::exception& e) {
    duckdb_scalar_function_set_error(info, e.what());
  }
}

std::string register_question(duckdb_connection connection, const char* name, duckdb_scalar_function_t run) {
  auto function = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(function, name);
  LogicalType text(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
  for (int i = 0; i < 3; ++i) duckdb_scalar_function_add_parameter(function, text.get());
  duckdb_scalar_function_set_return_type(function, text.get());
  duckdb_scalar_function_set_special_handling(function);  // a NULL beside an input must not hide it
  duckdb_scalar_function_set_function(function, run);
  duckdb_scalar_function_set_volatile(function);  // never folded while a statement is planned
  const bool good = duckdb_register_scalar_function(connection, function) == DuckDBSuccess;
  duckdb_destroy_scalar_function(&function);
  if (!good) return std::string("DuckDB refuses the function ") + name;
  return functions::mark_fallible(connection, name);
}

}  // namespace

Asking::Asking(Task& task, FrameWriter& out, const std::string& sql) {
  // As the compiler spells the calls. A token is a secret of the server's: text that only looks like a call names none.
  for (const std::string_view call : {"tarn_ask('", "tarn_ask_each('"})
    for (auto at = sql.find(call); at != sql.npos; at = sql.find(call, at + 1)) {
      const auto from = at + call.size(), to = sql.find('\'', from);
      if (to == sql.npos) break;
      const auto token = sql.substr(from, to - from);
      std::lock_guard lock(askers_mutex);
      if (askers.emplace(token, Asker{&task, &out}).second) tokens_.push_back(token);
    }
}

Asking::~Asking() {
  std::lock_guard lock(askers_mutex);
  for (const auto& t : tokens_) askers.erase(t);
}

std::string register_questions(duckdb_connection connection) {
  if (auto failure = register_question(connection, "tarn_ask", run_question<false>); !failure.empty()) return failure;
  return register_question(connection, "tarn_ask_each", run_question<true>);
}

}  // namespace tarn::engine::child
