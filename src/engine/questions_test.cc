// Statements that ask the server for values, and how such a statement ends early.
#include <gtest/gtest.h>

#include <thread>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

struct Asked {
  std::mutex mutex;
  std::vector<Question> questions;
};

/// Answers each input with its double; "none" with NULL, "bad" with a failure.
Answerer doubling(Asked& asked) {
  return [&asked](const Question& q, const std::function<bool()>&) -> Expected<std::vector<Answer>, std::string> {
    std::lock_guard lock(asked.mutex);
    asked.questions.push_back(q);
    if (q.name == "shut") return fail(std::string("the model is shut"));
    std::vector<Answer> out;
    for (const auto& input : q.inputs) {
      if (input == "none")
        out.push_back({});
      else if (input == "bad")
        out.push_back({Answer::Kind::failed, "no such value"});
      else
        out.push_back({Answer::Kind::value, input + input});
    }
    return out;
  };
}

TEST(Questions, AreAskedOnceForEqualInputsAndNeverForNull) {
  Asked asked;
  Fixture f([&](Options& o) { o.answer = doubling(asked); });
  EXPECT_EQ(f.rows("SELECT v, tarn_ask('token', 'model', v) FROM (VALUES ('a'), ('b'), (NULL), ('a'), ('none')) t(v)"),
            R"([["a","aa"],["b","bb"],[null,null],["a","aa"],["none",null]])");
  ASSERT_EQ(asked.questions.size(), 1u);
  EXPECT_EQ(asked.questions[0].token, "token");
  EXPECT_EQ(asked.questions[0].name, "model");
  EXPECT_EQ(asked.questions[0].inputs, (std::vector<std::string>{"a", "b", "none"}));
  EXPECT_EQ(f.value("tarn_ask(NULL, 'model', 'a')"), "null");
}

TEST(Questions, FailAsTheServerSays) {
  Asked asked;
  Fixture f([&](Options& o) { o.answer = doubling(asked); });
  EXPECT_NE(f.value("tarn_ask('t', 'shut', 'a')").find("the model is shut"), std::string::npos);
  EXPECT_NE(f.value("tarn_ask('t', 'model', 'bad')").find("no such value"), std::string::npos);
  EXPECT_EQ(f.rows("SELECT tarn_ask_each('t', 'model', v) FROM (VALUES ('bad'), ('a'), (NULL)) t(v)"), R"([["eno such value"],["vaa"],[null]])");
  Fixture without;
  EXPECT_NE(without.value("tarn_ask('t', 'model', 'a')").find("[UNSUPPORTED_FEATURE]"), std::string::npos);
}

TEST(Questions, AreAskedByWritesToo) {
  Asked asked;
  Fixture f([&](Options& o) { o.answer = doubling(asked); });
  WriteRequest w;
  w.query = "SELECT tarn_ask('t', 'model', 'a') AS v";
  w.directory = f.folder / "data/table";
  const auto files = f.pool->write_parquet(f.scope(), w);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(f.rows("SELECT v FROM read_parquet('" + w.directory + "/" + files->front().path + "')"), R"([["aa"]])");
}

TEST(Questions, EndWithTheirStatement) {
  std::atomic<int> waits{0};
  CancelToken token;
  Fixture f([&](Options& o) {
    o.answer = [&](const Question&, const std::function<bool()>& ends) -> Expected<std::vector<Answer>, std::string> {
      if (++waits == 1) token.cancel();
      while (!ends()) std::this_thread::yield();
      return fail(std::string("nobody hears this"));
    };
  });
  Request request;
  request.sql = "SELECT tarn_ask('t', 'model', 'a')";
  f.rows(request, &token);
  ASSERT_FALSE(f.last);
  EXPECT_EQ(f.last.error().code, Errc::cancelled);
  request.timeout_ms = 500;
  f.rows(request);
  ASSERT_FALSE(f.last);
  EXPECT_EQ(f.last.error().code, Errc::timeout);
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
}

}  // namespace
}  // namespace tarn::engine
