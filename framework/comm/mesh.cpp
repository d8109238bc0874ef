// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/mesh.h"

namespace peryton {

MeshCoordinates mesh_coordinates(const MeshSizes& sizes, int rank) {
  PERYTON_CHECK(rank >= 0 && rank < sizes.ranks(), "rank {} of a mesh of {}", rank, sizes.ranks());
  return {.data = rank / (sizes.component * sizes.tensor),
          .component = rank / sizes.tensor % sizes.component,
          .tensor = rank % sizes.tensor};
}

int mesh_rank(const MeshSizes& sizes, const MeshCoordinates& at) {
  PERYTON_CHECK(at.data >= 0 && at.data < sizes.data && at.component >= 0 &&
                at.component < sizes.component && at.tensor >= 0 && at.tensor < sizes.tensor);
  return (at.data * sizes.component + at.component) * sizes.tensor + at.tensor;
}

Mesh::Mesh(Communicator& world, const MeshSizes& sizes) : world_(&world), sizes_(sizes) {
  if (sizes.data < 1 || sizes.component < 1 || sizes.tensor < 1 || sizes.ranks() != world.size()) {
    fail_input(
        fmt::format("a mesh of data {} x component {} x tensor {} needs {} ranks, but {} run",
                    sizes.data, sizes.component, sizes.tensor, sizes.ranks(), world.size()),
        "parallel", "start as many ranks as the product of the three sizes");
  }
  at_ = mesh_coordinates(sizes, world.rank());
  // The color names the line along the axis: the rank of the line's first member.
  const auto along = [&](int MeshCoordinates::*axis) {
    MeshCoordinates first = at_;
    first.*axis = 0;
    return world.split(mesh_rank(sizes_, first), at_.*axis);
  };
  data_ = along(&MeshCoordinates::data);
  component_ = along(&MeshCoordinates::component);
  tensor_ = along(&MeshCoordinates::tensor);
}

}  // namespace peryton
