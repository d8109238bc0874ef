// The mesh of ranks: data x component x tensor, the tensor axis varying fastest.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "framework/comm/communicator.h"

namespace peryton {

struct MeshSizes {
  int data = 1, component = 1, tensor = 1;
  int ranks() const { return data * component * tensor; }
  friend bool operator==(const MeshSizes&, const MeshSizes&) = default;
};

struct MeshCoordinates {
  int data = 0, component = 0, tensor = 0;
  friend bool operator==(const MeshCoordinates&, const MeshCoordinates&) = default;
};

MeshCoordinates mesh_coordinates(const MeshSizes& sizes, int rank);
int mesh_rank(const MeshSizes& sizes, const MeshCoordinates& at);

// This rank's place and the communicators along each axis (ranks that differ in that coordinate
// only).
class Mesh {
 public:
  // Collective over `world`, which must outlive the mesh. World size and sizes that disagree:
  // fail_input.
  Mesh(Communicator& world, const MeshSizes& sizes);
  const MeshSizes& sizes() const { return sizes_; }
  const MeshCoordinates& at() const { return at_; }
  Communicator& world() const { return *world_; }
  Communicator& data() const { return *data_; }
  Communicator& component() const { return *component_; }
  Communicator& tensor() const { return *tensor_; }

 private:
  Communicator* world_;
  MeshSizes sizes_;
  MeshCoordinates at_;
  std::unique_ptr<Communicator> data_, component_, tensor_;
};

}  // namespace peryton
