#include "delta/deletion_vector.h"

#include <random>

#include "base/crypto.h"
#include "delta/memory_objects.h"
#include "delta/test_table.h"

namespace tarn::delta {
namespace {

using testing::kRoot;
using testing::MemoryObjects;

RowNumbers range(std::uint64_t from, std::uint64_t to, std::uint64_t step = 1) {
  RowNumbers out;
  for (auto v = from; v < to; v += step) out.push_back(v);
  return out;
}

TEST(DeletionVector, WhatIsWrittenIsRead) {
  RowNumbers mixed = range(0, 70'000, 3);
  for (const auto v : range(1ull << 33, (1ull << 33) + 9)) mixed.push_back(v);
  for (const auto& rows : {RowNumbers{}, RowNumbers{0}, RowNumbers{3, 65535, 65536, 200'000}, range(10, 5000), range(0, 65536), mixed}) {
    const auto back = decode_rows(encode_rows(rows));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, rows);
  }
}

TEST(DeletionVector, TheProtocolsOwnExampleInlineIsRead) {
  // "JSON Example 3 — Inline" of the protocol: rows 3, 4, 7, 11, 18, 29.
  MemoryObjects objects;
  const auto rows = read_vector(
      objects, kRoot,
      json::object{
          {"storageType", "i"}, {"pathOrInlineDv", "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"}, {"sizeInBytes", 40}, {"cardinality", 6}});
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(*rows, (RowNumbers{3, 4, 7, 11, 18, 29}));
}

TEST(DeletionVector, RunsAreRead) {
  // One run container, 5 to 9, as RoaringFormatSpec has it.
  std::string bytes = encode_rows({});
  bytes.resize(4);
  const auto add = [&](std::initializer_list<unsigned> list) {
    for (const auto b : list) bytes += static_cast<char>(b);
  };
  add({1, 0, 0, 0, 0, 0, 0, 0});  // one bitmap
  add({0, 0, 0, 0});              // its key
  add({0x3b, 0x30, 0, 0});        // with runs, one container
  add({1});                       // which is a run
  add({0, 0, 4, 0});              // key 0, five values
  add({1, 0, 5, 0, 4, 0});        // one run: from 5, four more
  EXPECT_EQ(decode_rows(bytes).value(), (RowNumbers{5, 6, 7, 8, 9}));
}

TEST(DeletionVector, AFileOfThemIsReadByItsDescriptors) {
  MemoryObjects objects;
  const auto made = write_vectors(objects, kRoot, {{1, 2, 3}, range(0, 100'000, 2)});
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->size(), 2u);
  EXPECT_EQ(read_vector(objects, kRoot, (*made)[0]).value(), (RowNumbers{1, 2, 3}));
  EXPECT_EQ(read_vector(objects, kRoot, (*made)[1])->size(), 50'000u);
  const auto file = vector_file((*made)[0], kRoot).value();
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->key.starts_with("t/events/deletion_vector_") && file->key.ends_with(".bin")) << file->key;

  // Whatever byte of the file is another one, no vector is taken for what it was not.
  const auto good = objects.read(*file);
  std::mt19937 chance(7);
  for (int i = 0; i < 400; ++i) {
    auto bad = good;
    bad[1 + chance() % 40] ^= static_cast<char>(1 + chance() % 255);
    objects.write(*file, bad);
    const auto rows = read_vector(objects, kRoot, (*made)[0]);
    if (rows) {
      EXPECT_EQ(*rows, (RowNumbers{1, 2, 3}));
    } else {
      EXPECT_EQ(rows.error().code, Errc::corrupt);
    }
  }
  objects.write(*file, good.substr(0, 20));
  EXPECT_EQ(read_vector(objects, kRoot, (*made)[0]).error().code, Errc::corrupt) << "cut short";
}

TEST(DeletionVector, LiesAreRefused) {
  MemoryObjects objects;
  const json::object honest{
      {"storageType", "i"}, {"pathOrInlineDv", z85(encode_rows({3, 4}))}, {"sizeInBytes", encode_rows({3, 4}).size()}, {"cardinality", 2}};
  EXPECT_TRUE(read_vector(objects, kRoot, honest));
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, json::value>>{{"cardinality", 3},
                                                                                             {"sizeInBytes", 4},
                                                                                             {"sizeInBytes", -1},
                                                                                             {"storageType", "x"},
                                                                                             {"pathOrInlineDv", "~~~~~"},
                                                                                             {"pathOrInlineDv", nullptr}}) {
    auto lie = honest;
    lie[key] = value;
    EXPECT_EQ(read_vector(objects, kRoot, lie).error().code, Errc::corrupt) << key;
  }
  EXPECT_EQ(vector_file(json::object{{"storageType", "p"}, {"pathOrInlineDv", "s3://other/dv.bin"}, {"sizeInBytes", 1}, {"cardinality", 1}}, kRoot)
                .error()
                .code,
            Errc::corrupt)
      << "outside of the table";
  EXPECT_EQ(
      vector_file(json::object{{"storageType", "u"}, {"pathOrInlineDv", "..^-aqEH.-t@S}K{vb[*k^"}, {"sizeInBytes", 1}, {"cardinality", 1}}, kRoot)
          .error()
          .code,
      Errc::corrupt);
  for (std::string bytes = encode_rows(range(0, 10'000, 2)); !bytes.empty(); bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), 97)))
    EXPECT_EQ(decode_rows(std::string_view(bytes).substr(0, bytes.size() - 1)).has_value(), false);
}

TEST(DeletionVector, NamesAreThoseOfTheProtocol) {
  const auto file =
      vector_file(json::object{{"storageType", "u"}, {"pathOrInlineDv", "ab^-aqEH.-t@S}K{vb[*k^"}, {"sizeInBytes", 40}, {"cardinality", 6}}, kRoot);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->key, "t/events/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
}

}  // namespace
}  // namespace tarn::delta
