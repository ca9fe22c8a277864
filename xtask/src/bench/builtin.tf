terraform {
  backend "local" {}
}

variable "greeting" {
  type    = string
  default = "hello"
}

resource "terraform_data" "this" {
  count = 10
  input = "${var.greeting} ${count.index}"
}

output "last" {
  value = terraform_data.this[9].output
}
