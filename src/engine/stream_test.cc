// Large, odd and hostile results.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/messages.h"
#include "engine/testing.h"

namespace tarn::engine {
namespace {

std::uint64_t resident_kb(const std::string& pid) {
  const auto status = slurp("/proc/" + pid + "/status");
  const auto at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : std::stoull(status.substr(at + 6));
}

TEST(Stream, TenMillionRowsInConstantMemory) {
  Fixture f;
  f.rows("SELECT 1");
  const auto child = std::to_string(only_child());
  const auto own_before = resident_kb("self"), child_before = resident_kb(child);
  std::uint64_t own_most = 0, child_most = 0;
  std::int64_t rows = 0;
  std::size_t bytes = 0, largest = 0, chunks = 0;
  Request request;
  request.sql = "SELECT i, 'value ' || i AS s FROM range(10000000) r(i)";
  Sink sink;
  sink.chunk = [&](std::string chunk, std::int64_t n) {
    rows += n, bytes += chunk.size(), ++chunks;
    largest = std::max(largest, chunk.size());
    if (chunks % 10 == 0) own_most = std::max(own_most, resident_kb("self")), child_most = std::max(child_most, resident_kb(child));
    return true;
  };
  const auto result = f.pool->run(f.scope(), request, sink);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(rows, 10'000'000);
  EXPECT_EQ(result->rows, 10'000'000);
  EXPECT_GT(bytes, 250u << 20);
  EXPECT_LT(largest, 5u << 20) << "chunk_bytes is about the limit";
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(own_most, own_before + (64u << 10));
  EXPECT_LT(child_most, child_before + (128u << 10));
#endif
}

TEST(Stream, ChunksEndAtTheirRows) {
  Fixture f;
  std::vector<std::int64_t> sizes;
  Request request;
  request.sql = "SELECT i FROM range(2500) r(i)";
  request.chunk_rows = 1000;
  Sink sink;
  sink.chunk = [&](std::string, std::int64_t n) {
    sizes.push_back(n);
    return true;
  };
  ASSERT_TRUE(f.pool->run(f.scope(), request, sink));
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{1000, 1000, 500}));
}

TEST(Stream, ARowLimitTruncatesAndSaysSo) {
  Fixture f;
  Request request;
  request.sql = "SELECT i FROM range(10) r(i)";
  request.row_limit = 3;
  EXPECT_EQ(f.rows(request), R"([["0"],["1"],["2"]])");
  EXPECT_TRUE(f.last->truncated);
  request.row_limit = 10;
  f.rows(request);
  EXPECT_FALSE(f.last->truncated);
  request.row_limit = 0;
  EXPECT_EQ(f.rows(request), "[]");
  EXPECT_TRUE(f.last->truncated);
}

TEST(Stream, TheSinkCanStopIt) {
  Fixture f;
  Request request;
  request.sql = "SELECT i FROM range(1000000000) r(i)";
  request.chunk_rows = 1000;
  int chunks = 0;
  Sink sink;
  sink.chunk = [&](std::string, std::int64_t) { return ++chunks < 3; };
  const auto result = f.pool->run(f.scope(), request, sink);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->truncated);
  EXPECT_EQ(result->rows, 3000);
  EXPECT_EQ(chunks, 3);
}

TEST(Stream, AThrowingSinkLeavesThePoolWhole) {
  Fixture f;
  Request request;
  request.sql = "SELECT i FROM range(1000000000) r(i)";
  Sink sink;
  sink.chunk = [&](std::string, std::int64_t) -> bool { throw std::runtime_error("the disk is full"); };
  EXPECT_THROW(f.pool->run(f.scope(), request, sink).has_value(), std::runtime_error);
  EXPECT_EQ(f.pool->stats().busy, 0u);
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
}

TEST(Stream, AnErrorInTheMiddleIsNotTheEnd) {
  Fixture f;
  f.rows("SELECT CASE WHEN i = 900000 THEN 'x' ELSE '1' END::INTEGER FROM range(1000000) r(i)");
  ASSERT_FALSE(f.last);
  EXPECT_TRUE(f.last.error().message.starts_with("Conversion Error")) << f.last.error().message;
}

TEST(Stream, ARowThatIsTooLongIsRefused) {
  Fixture f([](Options& o) { o.most_row_bytes = 1u << 20; });
  f.rows("SELECT repeat('x', 2000000)");
  ASSERT_FALSE(f.last);
  EXPECT_EQ(f.last.error().code, Errc::too_large);
  f.rows("SELECT list(i) FROM range(300000) r(i)");
  ASSERT_FALSE(f.last);
  EXPECT_EQ(f.last.error().code, Errc::too_large);
  EXPECT_EQ(f.value("length(repeat('x', 2000000))"), R"("2000000")");
}

TEST(Stream, ABombMeetsTheMemoryLimit) {
  Fixture f([](Options& o) {
    o.memory_bytes = 128u << 20;
    o.spill_bytes = 1u << 20;
  });
  for (const char* sql : {"SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
                          "SELECT length(list(repeat(i::VARCHAR, 10000))::VARCHAR) FROM range(1000000) r(i)"}) {
    f.rows(sql);
    ASSERT_FALSE(f.last) << sql;
    EXPECT_TRUE(f.last.error().code == Errc::out_of_memory || f.last.error().code == Errc::died || f.last.error().code == Errc::sql)
        << f.last.error().message;
  }
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
}

TEST(Stream, DeepNestingIsAnErrorNotACrash) {
  Fixture f;
  f.rows("SELECT " + std::string(20'000, '(') + "1" + std::string(20'000, ')'));
  EXPECT_FALSE(f.last);
  std::string sum = "SELECT 1";
  for (int i = 0; i < 20'000; ++i) sum += "+1";
  f.rows(sum);
  EXPECT_FALSE(f.last);
  EXPECT_EQ(f.pool->stats().deaths, 0u);
  std::string list = "1";
  for (int i = 0; i < 60; ++i) list = "[" + list + "]";
  EXPECT_EQ(f.value(list), "\"" + std::string(60, '[') + "\\\"1\\\"" + std::string(60, ']') + "\"");
}

TEST(Stream, DataThatIsNoTextStaysValidJson) {
  Fixture f;
  EXPECT_EQ(f.value("'a' || chr(0) || 'b'"), R"("a\u0000b")");
  EXPECT_EQ(f.value("'\\xC3\\x28\\xFF'::BLOB"), R"("wyj/")");
  // A Parquet file whose STRING column holds bytes that are not UTF-8: an error or a replacement, never broken JSON.
  ASSERT_EQ(f.python(R"(
import pyarrow as pa, pyarrow.parquet as pq, sys
a = pa.StringArray.from_buffers(2, pa.py_buffer(b'\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00'), pa.py_buffer(b'\xff(x'))
pq.write_table(pa.table({'s': a}), sys.argv[1] + '/data/bad.parquet')
)"),
            "");
  const auto rows = f.rows("SELECT s FROM read_parquet('" + (f.folder / "data/bad.parquet") + "')");
  EXPECT_TRUE(!f.last || rows == "[[\"\xEF\xBF\xBD(\"],[\"x\"]]") << rows;
}

TEST(Stream, BrokenStatementsAreErrors) {
  Fixture f;
  for (const std::string& sql :
       {std::string(), std::string("   "), std::string("-- nothing"), std::string("SELEC 1"), std::string("SELECT 1\0; SELECT 2", 19),
        std::string("SELECT ?"), std::string("SELECT \xFF\xFE"), std::string("SELECT 'open")}) {
    f.rows(sql);
    ASSERT_FALSE(f.last) << sql;
    EXPECT_EQ(f.last.error().code, Errc::sql) << sql;
    EXPECT_FALSE(f.last.error().message.empty()) << sql;
  }
  f.rows("SELECT '" + std::string(17u << 20, 'x') + "'");
  ASSERT_FALSE(f.last);
  EXPECT_EQ(f.last.error().code, Errc::too_large);
}

TEST(Describe, TellsTheColumnsWithoutRunning) {
  Fixture f;
  const auto columns = f.pool->describe(f.scope(), "SELECT i AS a, {'x': 'y', 'Z z': [1.5]} AS \"B b\", error('no') AS e FROM range(10) r(i)");
  ASSERT_TRUE(columns) << columns.error().message;
  ASSERT_EQ(columns->size(), 3u);
  EXPECT_EQ((*columns)[0].name, "a");
  EXPECT_EQ((*columns)[0].type, "BIGINT");
  EXPECT_EQ((*columns)[1].name, "B b");
  EXPECT_EQ((*columns)[1].type, "STRUCT(x VARCHAR, \"Z z\" DECIMAL(2,1)[])");
  const auto wrong = f.pool->describe(f.scope(), "SELECT * FROM nowhere");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::sql);
}

// The program itself, talked to without the pool.
struct Raw {
  explicit Raw(const std::vector<std::pair<FrameType, std::string>>& frames, const std::string& tail) {
    int ends[2];
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    const int child_end = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 10);
    ::posix_spawn_file_actions_adddup2(&actions, child_end, 3);
    std::string binary = TARN_ENGINE_PROGRAM, verb = "engine", parent = std::to_string(::getpid());
    char* arguments[] = {binary.data(), verb.data(), parent.data(), nullptr};
    ::posix_spawn(&pid, binary.c_str(), &actions, nullptr, arguments, nullptr);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(child_end), ::close(ends[1]);
    FrameWriter writer(ends[0]);
    for (const auto& [type, payload] : frames) writer.send(type, type == FrameType::configure || type == FrameType::bind ? 0 : 2, payload);
    if (!tail.empty()) ::send(ends[0], tail.data(), tail.size(), MSG_NOSIGNAL);
    ::shutdown(ends[0], SHUT_WR);
    char block[4096];
    while (::recv(ends[0], block, sizeof block, 0) > 0) {
    }
    ::close(ends[0]);
    ::waitpid(pid, &status, 0);
  }
  pid_t pid = 0;
  int status = 0;
};

TEST(Frames, MalformedOnesEndTheProcessCleanly) {
  Settings settings;
  settings.memory_bytes = 256u << 20;
  const std::pair<FrameType, std::string> configure{FrameType::configure, encode(settings)}, bind{FrameType::bind, encode(Scope{})};
  const std::string huge("\xFF\xFF\xFF\x7F\x03\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00", 16);
  const std::string unknown("\x00\x00\x00\x00\x63\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00", 16);
  EXPECT_EQ(Raw({}, "GET / HTTP/1.1\r\n\r\n").status, 2 << 8);
  EXPECT_EQ(Raw({{FrameType::configure, "short"}}, "").status, 2 << 8);
  EXPECT_EQ(Raw({bind}, "").status, 2 << 8);
  EXPECT_EQ(Raw({configure, {FrameType::run, "x"}}, "").status, 2 << 8);
  EXPECT_EQ(Raw({configure, bind}, huge).status, 2 << 8);
  EXPECT_EQ(Raw({configure, bind}, unknown).status, 2 << 8);
  EXPECT_EQ(Raw({configure, bind, {FrameType::ack, "x"}}, "").status, 2 << 8);
  EXPECT_EQ(Raw({configure, bind, configure}, "").status, 2 << 8);
  EXPECT_EQ(Raw({configure, bind}, std::string("\x10\x00", 2)).status, 0) << "cut off in the middle: the pool is gone";
  EXPECT_EQ(Raw({configure, bind, {FrameType::cancel, ""}}, "").status, 0) << "a cancel of what is over";
  EXPECT_EQ(Raw({configure}, "").status, 0);
}

}  // namespace
}  // namespace tarn::engine
