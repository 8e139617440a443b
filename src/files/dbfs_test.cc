#include "files/dbfs.h"

#include <filesystem>

#include "base/crypto.h"
#include "base/ids.h"
#include "files/routes.h"
#include "identity/testing.h"
#include "objects/local_objects.h"
#include "store/store_for_tests.h"

namespace tarn::files {
namespace {

using enum api::Method;
using identity::testing::Answer;

struct DbfsTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  identity::testing::FakeDirectory directory;
  std::string scratch = (std::filesystem::temp_directory_path() / ("tarn-dbfs-" + new_hex(8))).string();
  objects::LocalObjects objects{scratch};
  Dbfs dbfs{*store, objects, [](std::int64_t) { return std::optional<std::string>("root-bucket"); }, clock, scratch};
  api::Router router;
  DbfsTest() {
    EXPECT_TRUE(objects.create_bucket("root-bucket"));
    router.add(dbfs_routes(dbfs));
    for (const auto* name : {"ann@acme.example", "bob@acme.example"}) directory.add(identity::Kind::user, name);
  }
  ~DbfsTest() override { std::filesystem::remove_all(scratch); }
  Answer post(const std::string& name, const std::string& body, const std::string& who = "ann@acme.example", std::int64_t workspace = 1) {
    return identity::testing::call(router, POST, "/api/2.0/dbfs/" + name, directory.as(who, workspace), body);
  }
  Answer get(const std::string& rest, std::int64_t workspace = 1) {
    return identity::testing::call(router, GET, "/api/2.0/dbfs/" + rest, directory.as("ann@acme.example", workspace));
  }
  Answer put(const std::string& path, const std::string& text, bool overwrite = false) {
    return post("put", R"({"path":")" + path + R"(","contents":")" + crypto::base64(text) + R"(","overwrite":)" + (overwrite ? "true}" : "false}"));
  }
  std::string text(const std::string& path) {
    const auto a = get("read?path=" + path);
    return a.status == 200 ? *crypto::from_base64(a.at("data")) : a.text;
  }
  std::size_t objects_left() { return objects.list("root-bucket", "", "", 1000)->objects.size(); }
};

TEST_F(DbfsTest, AWorkspaceThatShutItsDbfsReachesNothingThere) {
  ASSERT_EQ(put("/FileStore/a.txt", "hello").status, 200);
  const auto handle = post("create", R"({"path":"/FileStore/b.txt"})").at("handle");
  std::int64_t shut = 1;
  dbfs.shut_by([&](std::int64_t workspace) { return workspace == shut; });
  const std::string there = R"({"path":"/FileStore/a.txt"})";
  for (const auto& refused : {get("read?path=/FileStore/a.txt"), get("list?path=/FileStore/a.txt"), get("get-status?path=/FileStore/a.txt"),
                              put("/FileStore/a.txt", "x", true), post("mkdirs", there), post("delete", there), post("create", there)}) {
    EXPECT_EQ(refused.status, 403) << refused.text;
    EXPECT_EQ(refused.code(), "PERMISSION_DENIED");
    EXPECT_EQ(refused.message(), "Public DBFS root is disabled. Access is denied on path: /FileStore/a.txt");
  }
  EXPECT_EQ(post("move", R"({"source_path":"/FileStore/a.txt","destination_path":"/c"})").status, 403);
  EXPECT_EQ(post("close", R"({"handle":)" + handle + "}").status, 403) << "what was opened before does not arrive either";
  EXPECT_EQ(get("list?path=/", 2).status, 200) << "another workspace's is open";
  shut = 0;
  EXPECT_EQ(text("/FileStore/a.txt"), "hello");
}

TEST_F(DbfsTest, PutReadStatusListDelete) {
  EXPECT_EQ(put("/FileStore/a.txt", "hello").status, 200);
  EXPECT_EQ(text("/FileStore/a.txt"), "hello");
  EXPECT_EQ(text("dbfs:/FileStore/a.txt"), "hello");
  const auto s = get("get-status?path=/FileStore/a.txt");
  EXPECT_EQ(s.at("file_size"), "5");
  EXPECT_EQ(s.at("is_dir"), "false");
  EXPECT_EQ(get("get-status?path=/FileStore").at("is_dir"), "true");
  EXPECT_EQ(get("list?path=/").body.at("files").as_array().size(), 1u);
  EXPECT_EQ(get("list?path=/").body.at("files").at(0).at("path").as_string(), "/FileStore");
  EXPECT_EQ(get("list?path=/FileStore/a.txt").body.at("files").at(0).at("path").as_string(), "/FileStore/a.txt");
  EXPECT_EQ(post("delete", R"({"path":"/FileStore"})").code(), "IO_ERROR");
  EXPECT_EQ(post("delete", R"({"path":"/FileStore"})").message(), "Directory is not empty. Use recursive delete or remove contents first.");
  EXPECT_EQ(post("delete", R"({"path":"/FileStore","recursive":true})").status, 200);
  EXPECT_EQ(post("delete", R"({"path":"/FileStore"})").status, 200) << "nothing there is fine";
  EXPECT_EQ(get("get-status?path=/FileStore/a.txt").status, 404);
  EXPECT_EQ(objects_left(), 0u);
}

TEST_F(DbfsTest, TextsOfTheVendor) {
  put("/a", "x");
  const auto again = put("/a", "y");
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(again.code(), "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(again.message(), "A file or directory already exists at the input path dbfs:/a.");
  EXPECT_EQ(put("/a", "y", true).status, 200);
  EXPECT_EQ(text("/a"), "y");
  EXPECT_EQ(get("get-status?path=/none").message(), "No file or directory exists on path /none.");
  EXPECT_EQ(put("/a/b", "y").code(), "RESOURCE_ALREADY_EXISTS") << "below a file";
  EXPECT_EQ(post("mkdirs", R"({"path":"/a/b"})").code(), "RESOURCE_ALREADY_EXISTS");
}

TEST_F(DbfsTest, HandlesTakeBlocksAndCloseIntoOneFile) {
  const auto handle = post("create", R"({"path":"/big.bin","overwrite":true})").at("handle");
  const std::string block(Dbfs::kBlock, 'a');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(post("add-block", R"({"handle":)" + handle + R"(,"data":")" + crypto::base64(block) + "\"}").status, 200);
  EXPECT_EQ(post("add-block", R"({"handle":)" + handle + R"(,"data":")" + crypto::base64("end") + "\"}").status, 200);
  EXPECT_EQ(get("get-status?path=/big.bin").status, 404) << "nothing is seen before close";
  EXPECT_EQ(post("close", R"({"handle":)" + handle + "}").status, 200);
  EXPECT_EQ(get("get-status?path=/big.bin").at("file_size"), std::to_string(3 * Dbfs::kBlock + 3));
  const auto last = get("read?path=/big.bin&offset=" + std::to_string(3 * Dbfs::kBlock) + "&length=1000000");
  EXPECT_EQ(last.at("bytes_read"), "3");
  EXPECT_EQ(last.at("data"), crypto::base64("end"));
  EXPECT_EQ(get("read?path=/big.bin&offset=99999999").at("bytes_read"), "0");
  EXPECT_EQ(objects_left(), 1u) << "the blocks are gone";
  EXPECT_EQ(post("close", R"({"handle":)" + handle + "}").status, 404);
  EXPECT_EQ(post("add-block", R"({"handle":)" + handle + R"(,"data":""})").code(), "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(DbfsTest, AHandleIsItsOpenersAndEndsWhenIdle) {
  const auto handle = post("create", R"({"path":"/f"})").at("handle");
  EXPECT_EQ(post("add-block", R"({"handle":)" + handle + R"(,"data":""})", "bob@acme.example").status, 404);
  EXPECT_EQ(post("add-block", R"({"handle":)" + handle + R"(,"data":""})", "ann@acme.example", 2).status, 404);
  post("add-block", R"({"handle":)" + handle + R"(,"data":"AAAA"})");
  clock.advance(Dbfs::kIdle + 1);
  EXPECT_EQ(post("close", R"({"handle":)" + handle + "}").status, 404);
  EXPECT_EQ(objects_left(), 1u);
  post("create", R"({"path":"/g"})");
  EXPECT_EQ(objects_left(), 0u) << "what was left behind goes when the next file is opened";
}

TEST_F(DbfsTest, MoveTakesFoldersWhole) {
  put("/a/x/1", "one");
  put("/a/2", "two");
  EXPECT_EQ(post("move", R"({"source_path":"/a","destination_path":"/b"})").status, 200);
  EXPECT_EQ(text("/b/x/1"), "one");
  EXPECT_EQ(text("/b/2"), "two");
  EXPECT_EQ(get("get-status?path=/a").status, 404);
  put("/c", "three");
  EXPECT_EQ(post("move", R"({"source_path":"/c","destination_path":"/b/2"})").code(), "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(post("move", R"({"source_path":"/c","destination_path":"/b"})").status, 200) << "into a folder";
  EXPECT_EQ(text("/b/c"), "three");
  EXPECT_EQ(post("move", R"({"source_path":"/b","destination_path":"/b/x"})").status, 400);
  EXPECT_EQ(post("move", R"({"source_path":"/none","destination_path":"/z"})").status, 404);
}

TEST_F(DbfsTest, LimitsAndMalformedRequests) {
  EXPECT_EQ(put("/big", std::string(Dbfs::kBlock + 1, 'x')).code(), "MAX_BLOCK_SIZE_EXCEEDED");
  put("/f", "x");
  EXPECT_EQ(get("read?path=/f&length=1048577").code(), "MAX_READ_SIZE_EXCEEDED");
  EXPECT_EQ(get("read?path=/f&length=-1").code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(get("read?path=/f&offset=x").status, 400);
  EXPECT_EQ(get("read?path=/").status, 400);
  EXPECT_EQ(get("list").status, 400);
  EXPECT_EQ(put("relative", "x").status, 400);
  EXPECT_EQ(put("/a/../b", "x").status, 400);
  EXPECT_EQ(put("/.tarn.object", "x").status, 400);
  EXPECT_EQ(put("/", "x").status, 400);
  EXPECT_EQ(post("delete", R"({"path":"/","recursive":true})").status, 400);
  EXPECT_EQ(put("/Volumes/a/b/c/d", "x").status, 400) << "volumes have an API with rights";
  EXPECT_EQ(post("put", R"({"path":"/x","contents":"%"})").status, 400);
  EXPECT_EQ(post("add-block", R"({"handle":"x","data":""})").status, 400);
  EXPECT_EQ(post("close", R"({"handle":1})").status, 404);
}

TEST_F(DbfsTest, WorkspacesDoNotSeeEachOther) {
  put("/mine", "x");
  EXPECT_EQ(get("get-status?path=/mine", 2).status, 404);
  EXPECT_EQ(get("list?path=/", 2).text, "{}");
}

}  // namespace
}  // namespace tarn::files
