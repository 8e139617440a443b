#pragma once
// Which securable holds which storage path, so that no two hold the same bytes: overlaps are refused with the vendor's LOCATION_OVERLAP, and
// a path's governing location or volume is found. Inside the caller's transaction.
#include "catalog/core.h"

namespace tarn::catalog {

/// Claims that equal, contain or lie below `url`, of one kind. At most `limit`.
std::vector<Claim> overlapping(store::ReadTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind, std::size_t limit = 1);
/// Claims that equal or contain `url`, of one kind; the most specific last.
std::vector<Claim> containing(store::ReadTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind);

void claim(store::WriteTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind, std::string_view holder_id);

/// location_overlap if a new external location at `url` would overlap another one or the metastore's own storage.
Result<void> check_free_for_location(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                     std::string_view call, std::string_view except_id = {});
/// location_overlap if a table or volume at `url` would overlap another table, volume or managed storage.
Result<void> check_free_for_data(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                 std::string_view call);
/// location_overlap if managed storage at `url` would overlap an external table or volume.
Result<void> check_free_for_managed(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                    std::string_view call);

/// The external location that a URL lies in, with what the caller needs on it (and, if it writes, a location and credential that are not read-only).
Result<Place> location_for(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url, Privilege p);

/// The role under which the bytes at a URL are reached: of the external location's credential, or of the metastore's own root; empty where none
/// is known. No rights are asked.
AwsIamRole role_for(store::ReadTxn& t, const MetastoreRecord& m, std::string_view url);

/// Whether the caller may read or write files at a URL: a volume's privileges below a volume, the location's READ_FILES / WRITE_FILES elsewhere;
/// never what belongs to a table or to managed storage.
Result<void> check_path(store::ReadTxn& t, const access::Context& ctx, std::string_view url, bool write, std::string_view call);

}  // namespace tarn::catalog
