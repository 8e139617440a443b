#include "api/multipart.h"
#include "base/crypto.h"
#include "workspace/routes.h"
#include "workspace/testing.h"

namespace tarn::workspace {
namespace {

using enum api::Method;

struct WorkspaceTest : testing::TreeTest {
  WorkspaceTest() { router.add(routes(tree)); }
  std::string home(const std::string& who = kAnn) { return "/Users/" + who; }
  Answer import(const std::string& path, const std::string& text, const std::string& more, const std::string& who = kAnn) {
    return call(POST, "workspace/import", R"({"path":")" + path + R"(","content":")" + crypto::base64(text) + "\"" + more + "}", who);
  }
  Answer notebook(const std::string& path, const std::string& text = "print(1)", const std::string& who = kAnn) {
    return import(path, text, R"(,"format":"SOURCE","language":"PYTHON","overwrite":true)", who);
  }
  Answer status(const std::string& path, const std::string& who = kAnn) {
    return call(GET, "workspace/get-status?path=" + api::percent_encode(path), "", who);
  }
  Answer list(const std::string& path, const std::string& who = kAnn) {
    return call(GET, "workspace/list?path=" + api::percent_encode(path), "", who);
  }
  Answer mkdirs(const std::string& path, const std::string& who = kAnn) { return call(POST, "workspace/mkdirs", R"({"path":")" + path + "\"}", who); }
  Answer remove(const std::string& path, bool recursive = false, const std::string& who = kAnn) {
    return call(POST, "workspace/delete", R"({"path":")" + path + R"(","recursive":)" + (recursive ? "true}" : "false}"), who);
  }
  std::string exported(const std::string& path, const std::string& format = "SOURCE", const std::string& who = kAnn) {
    const auto a = call(GET, "workspace/export?format=" + format + "&path=" + api::percent_encode(path), "", who);
    return a.status == 200 ? *crypto::from_base64(a.at("content")) : a.text;
  }
  static std::vector<std::string> paths(const Answer& a) {
    std::vector<std::string> out;
    if (const auto* objects = a.body.as_object().if_contains("objects"))
      for (const auto& o : objects->as_array()) out.emplace_back(o.at("path").as_string());
    return out;
  }
};

TEST_F(WorkspaceTest, HomesAndFixedFoldersAreThereFromTheStart) {
  EXPECT_EQ(status(home()).at("object_type"), "DIRECTORY");
  EXPECT_EQ(status("/").at("object_id"), "0");
  for (const auto* top : {"/Users", "/Shared", "/Repos"}) EXPECT_EQ(status(top).status, 200) << top;
  EXPECT_EQ(paths(list("/", kRoot)), (std::vector<std::string>{"/Repos", "/Shared", "/Users"}));
  EXPECT_EQ(status("/Users/nobody@acme.example").status, 404);
  EXPECT_EQ(status("/Users/" + std::string(kBob), kRoot).status, 200) << "a home is there before its owner comes";
}

TEST_F(WorkspaceTest, ANotebookIsImportedShownExportedAndDeleted) {
  const auto made = notebook(home() + "/etl", "# Databricks notebook source\nprint(1)");
  ASSERT_EQ(made.status, 200) << made.text;
  const auto s = status(home() + "/etl");
  EXPECT_EQ(s.at("object_type"), "NOTEBOOK");
  EXPECT_EQ(s.at("language"), "PYTHON");
  EXPECT_EQ(s.at("object_id"), made.at("object_id"));
  EXPECT_EQ(exported(home() + "/etl"), "# Databricks notebook source\nprint(1)");
  EXPECT_NE(exported(home() + "/etl", "JUPYTER").find("\"nbformat\":4"), std::string::npos);
  EXPECT_NE(exported(home() + "/etl", "HTML").find("<html>"), std::string::npos);
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(remove(home() + "/etl").status, 200);
  EXPECT_EQ(status(home() + "/etl").message(), "Path (" + home() + "/etl) doesn't exist.");
  EXPECT_EQ(stored(), 0u) << "the bytes go with the object";
}

TEST_F(WorkspaceTest, OverwritingKeepsTheObjectAndDropsTheOldBytes) {
  const auto first = notebook(home() + "/n", "print(1)");
  EXPECT_EQ(notebook(home() + "/n", "print(2)").at("object_id"), first.at("object_id"));
  EXPECT_EQ(exported(home() + "/n"), "# Databricks notebook source\nprint(2)");
  EXPECT_EQ(stored(), 1u);
  const auto refused = import(home() + "/n", "x", R"(,"language":"PYTHON")");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.code(), "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(refused.message(), "Path (" + home() + "/n) already exists.");
  EXPECT_EQ(stored(), 1u);
  EXPECT_EQ(import(home() + "/n", "x", R"(,"format":"RAW","overwrite":true)").status, 400) << "a file does not replace a notebook";
}

TEST_F(WorkspaceTest, AutoTellsNotebooksFromFiles) {
  EXPECT_EQ(import(home() + "/a.py", "# Databricks notebook source\nprint(1)", R"(,"format":"AUTO")").status, 200);
  EXPECT_EQ(import(home() + "/b.py", "print(1)", R"(,"format":"AUTO")").status, 200);
  EXPECT_EQ(status(home() + "/a").at("object_type"), "NOTEBOOK");
  EXPECT_EQ(status(home() + "/b.py").at("object_type"), "FILE");
  EXPECT_EQ(status(home() + "/b.py").at("size"), "8");
  EXPECT_EQ(exported(home() + "/b.py", "AUTO"), "print(1)");
}

TEST_F(WorkspaceTest, JupyterIsKeptWithItsOutputsAndShownAsSource) {
  const std::string doc =
      R"({"cells":[{"cell_type":"code","source":["x = 1"],"outputs":[{"text":"kept"}]}],"metadata":{"language_info":{"name":"python"}},"nbformat":4})";
  ASSERT_EQ(import(home() + "/j", doc, R"(,"format":"JUPYTER")").status, 200);
  EXPECT_EQ(exported(home() + "/j", "JUPYTER"), doc);
  EXPECT_EQ(exported(home() + "/j", "SOURCE"), "# Databricks notebook source\nx = 1");
  EXPECT_EQ(import(home() + "/bad", "{}", R"(,"format":"JUPYTER")").status, 400);
}

TEST_F(WorkspaceTest, WhatCannotBeImportedIsRefusedWithAReason) {
  auto a = import(home() + "/n", "x", R"(,"format":"DBC")");
  EXPECT_EQ(a.status, 400);
  EXPECT_NE(a.message().find("DBC"), std::string::npos);
  a = import(home() + "/n", "print(1)", "");
  EXPECT_NE(a.message().find("The zip file may not be valid or may be an unsupported version."), std::string::npos);
  a = notebook(home() + "/no/such/n");
  EXPECT_EQ(a.status, 404);
  EXPECT_EQ(a.message(), "The parent folder (" + home() + "/no/such) does not exist.");
  EXPECT_EQ(call(POST, "workspace/import", R"({"path":"/Users/x","content":"%%%"})").status, 400);
  EXPECT_EQ(call(POST, "workspace/import", R"({"content":""})").status, 400);
  EXPECT_EQ(call(POST, "workspace/import", R"({"path":"rel","content":""})").message(), "Path (rel) doesn't start with '/'");
  EXPECT_EQ(import("/", "x", R"(,"format":"RAW")").status, 400);
  const auto big = import(home() + "/n", std::string(kMostImport + 1, 'x'), R"(,"format":"RAW")");
  EXPECT_EQ(big.code(), "MAX_NOTEBOOK_SIZE_EXCEEDED");
  EXPECT_EQ(stored(), 0u);
}

TEST_F(WorkspaceTest, FoldersAreMadeListedAndDeleted) {
  EXPECT_EQ(mkdirs(home() + "/a/b/c").status, 200);
  EXPECT_EQ(mkdirs(home() + "/a/b/c").status, 200) << "again is fine";
  notebook(home() + "/a/n");
  EXPECT_EQ(paths(list(home() + "/a")), (std::vector<std::string>{home() + "/a/b", home() + "/a/n"}));
  EXPECT_EQ(paths(list("/Workspace" + home() + "/a")), (std::vector<std::string>{"/Workspace" + home() + "/a/b", "/Workspace" + home() + "/a/n"}));
  EXPECT_EQ(paths(list(home() + "/a/n")), (std::vector<std::string>{home() + "/a/n"})) << "of a notebook: itself";
  EXPECT_EQ(list(home() + "/a/b/c").text, "{}");
  const auto in_the_way = mkdirs(home() + "/a/n/d");
  EXPECT_EQ(in_the_way.code(), "RESOURCE_ALREADY_EXISTS");
  const auto full = remove(home() + "/a");
  EXPECT_EQ(full.code(), "DIRECTORY_NOT_EMPTY");
  EXPECT_EQ(full.message(), "Folder (" + home() + "/a) is not empty");
  EXPECT_EQ(remove(home() + "/a", true).status, 200);
  EXPECT_EQ(status(home() + "/a/b").status, 404);
  EXPECT_EQ(stored(), 0u);
}

TEST_F(WorkspaceTest, FixedFoldersAndHomesAreProtected) {
  for (const auto& path : std::vector<std::string>{"/", "/Users", "/Shared", "/Repos", home()}) {
    const auto a = remove(path, true, kRoot);
    EXPECT_EQ(a.code(), "DIRECTORY_PROTECTED") << path;
  }
  EXPECT_EQ(remove("/Users", true, kRoot).message(), "Folder Users is protected");
}

TEST_F(WorkspaceTest, AnothersHomeDoesNotExistForMeUntilItIsShared) {
  notebook(home(kBob) + "/secret", "print(1)", kBob);
  const auto id = status(home(kBob) + "/secret", kBob).at("object_id");
  EXPECT_EQ(status(home(kBob) + "/secret").status, 404);
  EXPECT_EQ(list(home(kBob)).status, 404);
  EXPECT_EQ(paths(list("/Users")), (std::vector<std::string>{home()})) << "the list leaves out what I may not see";
  EXPECT_NE(exported(home(kBob) + "/secret").find("doesn't exist"), std::string::npos);
  EXPECT_EQ(remove(home(kBob) + "/secret").status, 404);
  EXPECT_EQ(notebook(home(kBob) + "/mine").status, 404);
  grant("notebooks", id, kAnn, "CAN_READ");
  EXPECT_EQ(status(home(kBob) + "/secret").status, 200);
  const auto edit = notebook(home(kBob) + "/secret", "print(2)");
  EXPECT_EQ(edit.status, 403);
  EXPECT_EQ(edit.message(),
            std::string(kAnn) + " does not have Edit permissions on notebook " + id + ". Please contact the owner or an administrator for access.");
  grant("notebooks", id, kAnn, "CAN_EDIT");
  EXPECT_EQ(notebook(home(kBob) + "/secret", "print(2)").status, 200);
  EXPECT_EQ(remove(home(kBob) + "/secret").status, 403);
  grant("notebooks", id, kAnn, "CAN_MANAGE");
  EXPECT_EQ(remove(home(kBob) + "/secret").status, 200);
}

TEST_F(WorkspaceTest, RightsComeDownFromFoldersAndTheRoot) {
  mkdirs(home(kBob) + "/shared/deep", kBob);
  notebook(home(kBob) + "/shared/deep/n", "print(1)", kBob);
  directory.join(kAnn, "engineers");
  grant("directories", status(home(kBob) + "/shared", kBob).at("object_id"), "engineers", "CAN_RUN");
  EXPECT_EQ(status(home(kBob) + "/shared/deep/n").status, 200);
  EXPECT_EQ(notebook(home(kBob) + "/shared/deep/new").status, 403);
  grant("directories", status(home(kBob) + "/shared", kBob).at("object_id"), "engineers", "CAN_MANAGE");
  EXPECT_EQ(notebook(home(kBob) + "/shared/deep/new").status, 200);
  EXPECT_EQ(status(home(kBob) + "/other").status, 404);
  grant("directories", "0", kAnn, "CAN_READ");
  EXPECT_EQ(list(home(kBob)).status, 200) << "the root's list reaches everything";
}

TEST_F(WorkspaceTest, SharedIsEverybodysAndTheRestOfTheRootIsNot) {
  EXPECT_EQ(notebook("/Shared/team").status, 200);
  EXPECT_EQ(notebook("/Shared/team", "print(2)", kBob).status, 200);
  EXPECT_EQ(remove("/Shared/team", false, kBob).status, 200);
  EXPECT_EQ(mkdirs("/private").status, 403);
  EXPECT_EQ(notebook("/n").status, 403);
  EXPECT_EQ(mkdirs("/Users/elsewhere@acme.example/x").status, 403);
  EXPECT_EQ(mkdirs("/Repos/" + std::string(kAnn)).status, 200) << "everybody has a place for Git folders";
  const auto inside = mkdirs("/Repos/" + std::string(kAnn) + "/x");
  EXPECT_EQ(inside.code(), "DIRECTORY_PROTECTED");
  EXPECT_EQ(inside.message(), "Top-level folder can only contain repos");
  EXPECT_EQ(notebook("/Repos/n", "x", kRoot).code(), "DIRECTORY_PROTECTED");
  EXPECT_EQ(mkdirs("/Repos/other").status, 403);
  EXPECT_EQ(mkdirs("/Repos/other", kRoot).status, 200);
}

TEST_F(WorkspaceTest, AnotherWorkspaceHasAnotherTree) {
  notebook("/Shared/n");
  auto elsewhere = directory.as(kAnn, 2);
  EXPECT_EQ(tree.get(elsewhere, *parse_path("/Shared/n")).error().code, Errc::not_found);
}

TEST_F(WorkspaceTest, UploadsComeAsForms) {
  const auto form = [](const std::string& content, const std::string& fields) {
    return fields + "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\n" + content + "\r\n--b--\r\n";
  };
  const auto field = [](const std::string& name, const std::string& value) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  };
  const std::map<std::string, std::string> headers{{"content-type", "multipart/form-data; boundary=b"}};
  const auto send = [&](const std::string& body) { return call(POST, "workspace/import", body, kAnn, headers); };
  const std::string bytes("\0\r\n--not\xff", 9);
  EXPECT_EQ(send(form(bytes, field("path", home() + "/f.bin") + field("format", "AUTO") + field("overwrite", "true"))).status, 200);
  EXPECT_EQ(exported(home() + "/f.bin", "AUTO"), bytes);
  const auto direct = call(GET, "workspace/export?direct_download=true&format=AUTO&path=" + api::percent_encode(home() + "/f.bin"));
  ASSERT_TRUE(direct.file);
  EXPECT_EQ(direct.file->length, bytes.size());
  EXPECT_EQ(send(form("", field("path", home() + "/empty") + field("format", "RAW"))).status, 200);
  EXPECT_EQ(exported(home() + "/empty", "AUTO"), "");
  EXPECT_EQ(send(form("x", "")).message(), "Field 'path' is required");
  EXPECT_EQ(send(field("path", home() + "/g") + "--b--").message(), "Field 'content' is required");
  EXPECT_EQ(send("--b\r\n").status, 400);
  EXPECT_EQ(send("").status, 400);
  EXPECT_EQ(send(form("x", field("path", home() + "/g") + field("format", "PDF"))).status, 400);
}

TEST_F(WorkspaceTest, FilesComeRawToo) {
  const auto post = [&](const std::string& path, const std::string& body, const std::string& query = "") {
    return call(POST, "workspace-files/import-file/" + api::percent_encode(path.substr(1)) + query, body);
  };
  EXPECT_EQ(post(home() + "/x.txt", "hello").status, 200);
  EXPECT_EQ(post(home() + "/x.txt", "again").status, 409) << "the vendor answers 409 here";
  EXPECT_EQ(post(home() + "/x.txt", "again", "?overwrite=true").status, 200);
  EXPECT_EQ(post(home() + "/no/x.txt", "hello").status, 404);
  EXPECT_EQ(call(GET, "workspace-files" + home() + "/x.txt").file->length, 5u);
  EXPECT_EQ(post(home() + "/nb.py", "# Databricks notebook source\n1").status, 200);
  EXPECT_EQ(status(home() + "/nb").at("object_type"), "NOTEBOOK");
}

TEST_F(WorkspaceTest, MalformedRequestsNameWhatIsWrong) {
  EXPECT_EQ(call(GET, "workspace/get-status").message(), "Parameter 'path' is required");
  EXPECT_EQ(status("relative").status, 400);
  EXPECT_EQ(status("/a/../b").status, 400);
  EXPECT_EQ(status("/a\nb").status, 400);
  EXPECT_EQ(status("/" + std::string(300, 'x')).status, 400);
  EXPECT_EQ(call(GET, "workspace/export?path=/Shared&format=PDF").status, 400);
  EXPECT_EQ(call(GET, "workspace/list?path=/&notebooks_modified_after=x").status, 400);
  EXPECT_EQ(call(POST, "workspace/mkdirs", "{}").status, 400);
  EXPECT_EQ(call(POST, "workspace/delete", R"({"path":7})").status, 400);
  EXPECT_EQ(status("//Shared//").at("path"), "/Shared") << "doubled slashes are one";
  EXPECT_NE(exported("/Shared", "DBC").find("directory"), std::string::npos);
}

TEST_F(WorkspaceTest, EveryChangeAndRefusalIsAudited) {
  notebook(home() + "/n");
  mkdirs("/private");
  store->flush_audit();
  bool imported = false, denied = false;
  for (const auto& r : store->audit_log({}, 100)) {
    imported = imported || (r.event.action == "import" && r.event.outcome == store::Outcome::success && r.event.params.at("path") == home() + "/n");
    denied = denied || (r.event.action == "mkdirs" && r.event.outcome == store::Outcome::denied && r.event.status == 403);
  }
  EXPECT_TRUE(imported && denied);
}

}  // namespace
}  // namespace tarn::workspace
