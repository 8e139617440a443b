#pragma once
// Deletion vectors ("Deletion Vectors", "Deletion Vector Format"): which rows of a data file are no longer in the table. Read from wherever the
// descriptor says, written to files of their own. Every byte is checked: a vector that lies is an error, never a row too many or too few.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

/// Numbers of rows in a file, ascending, each once.
using RowNumbers = std::vector<std::uint64_t>;

/// The RoaringBitmapArray of a vector, magic number included. Decoding fails (corrupt) on anything that is not exactly one.
std::string encode_rows(const RowNumbers& rows);
Result<RowNumbers> decode_rows(std::string_view bytes);

/// Z85: four bytes to five characters; a text shorter by 1 to 3 bytes is padded with zeros, the vector's own length tells where it ends.
std::string z85(std::string_view bytes);
std::optional<std::string> from_z85(std::string_view text);

/// The object that holds a vector; nothing if it is in the log itself. Errors: corrupt.
Result<std::optional<objects::Url>> vector_file(const json::value& descriptor, const objects::Url& root);
/// Errors: corrupt (the descriptor, the checksum, the count), storage.
Result<RowNumbers> read_vector(objects::ObjectStore& objects, const objects::Url& root, const json::value& descriptor);

/// Writes vectors into one file at the table's root and answers their descriptors, in order. Nothing is in the table before a commit says so.
/// Error: storage.
Result<std::vector<json::value>> write_vectors(objects::ObjectStore& objects, const objects::Url& root, const std::vector<RowNumbers>& vectors);

}  // namespace tarn::delta
