# The workspace of this folder, by its name in the YAML.
locals {
  name = "pipeline"
}
