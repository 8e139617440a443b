#include "workspace/notebook.h"

#include <gtest/gtest.h>

namespace tarn::workspace {
namespace {

constexpr const char* kPython = R"(# Databricks notebook source
# DBTITLE 1,Read
df = spark.table("a.b.c")
display(df)

# COMMAND ----------

# MAGIC %md
# MAGIC # Results
# MAGIC
# MAGIC of *today*

# COMMAND ----------

# MAGIC %sql
# MAGIC SELECT 1

# COMMAND ----------

print("bye"))";

TEST(Notebook, SourceGoesRound) {
  const auto n = from_source(kPython, Language::PYTHON);
  ASSERT_EQ(n.cells.size(), 4u);
  EXPECT_EQ(n.cells[0].title, "Read");
  EXPECT_EQ(n.cells[0].text, "df = spark.table(\"a.b.c\")\ndisplay(df)");
  EXPECT_EQ(n.cells[1].text, "%md\n# Results\n\nof *today*");
  EXPECT_EQ(n.cells[2].text, "%sql\nSELECT 1");
  EXPECT_EQ(to_source(n), kPython);
}

TEST(Notebook, EachLanguageHasItsMarkers) {
  for (const auto& [language, header] :
       {std::pair(Language::SQL, "-- Databricks notebook source"), std::pair(Language::SCALA, "// Databricks notebook source"),
        std::pair(Language::R, "# Databricks notebook source"), std::pair(Language::PYTHON, "# Databricks notebook source")}) {
    EXPECT_EQ(source_header(language), header);
    const Notebook n{.language = language, .cells = {{"a", ""}, {"%md\nb", "T"}}};
    const auto again = from_source(to_source(n), language);
    ASSERT_EQ(again.cells.size(), 2u);
    EXPECT_EQ(again.cells[1].text, "%md\nb");
    EXPECT_EQ(again.cells[1].title, "T");
  }
}

TEST(Notebook, SourceWithoutHeaderIsOneCell) {
  EXPECT_EQ(to_source(from_source("print(1)\n", Language::PYTHON)), "# Databricks notebook source\nprint(1)");
  EXPECT_EQ(to_source(from_source("", Language::SQL)), "-- Databricks notebook source\n");
  EXPECT_EQ(from_source("# Databricks notebook source\r\nx = 1\r\n", Language::PYTHON).cells.at(0).text, "x = 1");
}

TEST(Notebook, JupyterGoesRoundThroughCells) {
  const auto n = from_source(kPython, Language::PYTHON);
  const auto again = from_jupyter(to_jupyter(n, "report"), std::nullopt);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->language, Language::PYTHON);
  EXPECT_EQ(to_source(*again), kPython);
}

TEST(Notebook, JupyterOfOthersIsRead) {
  const auto n = from_jupyter(R"({"cells":[{"cell_type":"markdown","source":["# Hi\n","there"]},{"cell_type":"code","source":"x <- 1","outputs":[]}],
    "metadata":{"kernelspec":{"language":"R"}},"nbformat":4,"nbformat_minor":5})",
                              std::nullopt);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->language, Language::R);
  EXPECT_EQ(n->cells[0].text, "%md\n# Hi\nthere");
  EXPECT_EQ(n->cells[1].text, "x <- 1");
  for (const auto* bad : {"", "[]", "{}", R"({"cells":1})", R"({"cells":[1]})", "not json"}) EXPECT_FALSE(from_jupyter(bad, std::nullopt)) << bad;
}

TEST(Notebook, HtmlCarriesTheNotebook) {
  const Notebook n{.language = Language::SQL, .cells = {{"SELECT '<b>&\"' -- ü", "A <title>"}, {"%md\n*x*", ""}}};
  const auto page = to_html(n, "a <report>");
  EXPECT_EQ(page.find("<b>&"), std::string::npos) << "the page must not run what the notebook says";
  const auto again = from_html(page);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_source(*again), to_source(n));
  for (const auto* bad : {"", "<html></html>", "__DATABRICKS_NOTEBOOK_MODEL = 'AAAA'", "__DATABRICKS_NOTEBOOK_MODEL = '"})
    EXPECT_FALSE(from_html(bad)) << bad;
}

TEST(Notebook, WhatAFileIsIsToldByItsFirstLine) {
  EXPECT_TRUE(is_notebook("a.py", "# Databricks notebook source\nprint(1)"));
  EXPECT_TRUE(is_notebook("a.py", "# Databricks notebook source\r\nprint(1)"));
  EXPECT_FALSE(is_notebook("a.py", "print(1)"));
  EXPECT_FALSE(is_notebook("a.sql", "# Databricks notebook source\n"));
  EXPECT_FALSE(is_notebook("a.txt", "# Databricks notebook source\n"));
  EXPECT_TRUE(is_notebook("a.ipynb", "{}"));
}

}  // namespace
}  // namespace tarn::workspace
