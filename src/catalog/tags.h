#pragma once
// Tags: keys with values on catalogs, schemas, tables, columns and volumes. Kept by the securable's id, so a rename keeps them and a namesake has
// none. Source: REST API reference "Entity Tag Assignments"; Databricks docs, "Apply tags to Unity Catalog securable objects".
#include "catalog/core.h"

namespace tarn::catalog {

struct TagRecord {
  std::string entity_id, column, key, value;  // column: empty for the securable itself
  Millis updated_at = 0;
  std::string updated_by;
  std::string store_key() const { return store::key({entity_id, column, key}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(TagRecord, (), (entity_id, column, key, value, updated_at, updated_by))
inline constexpr store::Collection<TagRecord> kTags{"uc_tag"};

void drop_tags(store::WriteTxn& t, std::string_view entity_id);

/// Wire: EntityTagAssignment.
struct TagAssignment {
  std::string entity_type, entity_name, tag_key;
  std::optional<std::string> tag_value;
  std::string update_time, updated_by, source_type = "TAG_ASSIGNMENT_SOURCE_TYPE_USER_ASSIGNED";
};
BOOST_DESCRIBE_STRUCT(TagAssignment, (), (entity_type, entity_name, tag_key, tag_value, update_time, updated_by, source_type))

class Tags {
 public:
  explicit Tags(const Core& core) : core_(core) {}

  // Changing needs APPLY_TAG or ownership, reading that one may see the securable (BROWSE is enough).
  Result<TagAssignment> create(const access::Context& ctx, const TagAssignment& tag);
  Result<TagAssignment> get(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key);
  Result<Page<TagAssignment>> list(const access::Context& ctx, std::string_view type, std::string_view name, const PageRequest& page);
  Result<TagAssignment> update(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key,
                               const std::optional<std::string>& value);
  Result<void> remove(const access::Context& ctx, std::string_view type, std::string_view name, std::string_view key);
  /// As Catalog::set_tags and Catalog::tags.
  Result<void> set(const access::Context& ctx, std::string_view type, std::string_view name,
                   const std::map<std::string, std::optional<std::string>>& changes);
  Result<std::vector<TagRow>> all(const access::Context& ctx, std::string_view catalog);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
