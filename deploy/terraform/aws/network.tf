# Two zones: the load balancer in public subnets, everything else in private ones without addresses of their own.

locals {
  zones = slice(data.aws_availability_zones.available.names, 0, 2)
}

resource "aws_vpc" "main" {
  cidr_block           = var.network
  enable_dns_hostnames = true
  tags                 = { Name = local.name }
}

resource "aws_subnet" "public" {
  for_each          = { for index, zone in local.zones : zone => index }
  vpc_id            = aws_vpc.main.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network, 4, each.value)
  tags              = { Name = "${local.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each          = { for index, zone in local.zones : zone => index }
  vpc_id            = aws_vpc.main.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.network, 4, each.value + 8)
  tags              = { Name = "${local.name}-private-${each.key}" }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_eip" "nat" {
  for_each = local.nat_zones
  domain   = "vpc"
}

# A zone that is lost takes staging's way out with it, and production's not.
locals {
  nat_zones = toset(local.is_production ? local.zones : [local.zones[0]])
}

resource "aws_nat_gateway" "main" {
  for_each      = local.nat_zones
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  depends_on    = [aws_internet_gateway.main]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}

resource "aws_route_table" "private" {
  for_each = aws_subnet.private
  vpc_id   = aws_vpc.main.id

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.main[contains(local.nat_zones, each.key) ? each.key : local.zones[0]].id
  }
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

# Artifacts and logs stay off the NAT gateway, which costs by the byte.
resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.main.id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = [for table in aws_route_table.private : table.id]
}

# Who may talk to whom: people -> load balancer -> programs -> database. The broker has no password, since Terraform would
# keep it in its state: Airflow's programs alone reach it.
resource "aws_security_group" "parts" {
  for_each    = toset(["load-balancer", "airflow", "mlflow", "serving", "database", "broker"])
  name        = "${local.name}-${each.key}"
  description = "${local.name}: ${each.key}"
  vpc_id      = aws_vpc.main.id
}

locals {
  ways = {
    people-airflow   = { from = "load-balancer", to = "airflow", port = 8080 }
    people-serving   = { from = "load-balancer", to = "serving", port = 8100 }
    airflow-airflow  = { from = "airflow", to = "airflow", port = 8080 }
    airflow-mlflow   = { from = "airflow", to = "mlflow", port = 5000 }
    airflow-broker   = { from = "airflow", to = "broker", port = 6379 }
    airflow-database = { from = "airflow", to = "database", port = 5432 }
    mlflow-database  = { from = "mlflow", to = "database", port = 5432 }
    serving-mlflow   = { from = "serving", to = "mlflow", port = 5000 }
    serving-database = { from = "serving", to = "database", port = 5432 }
  }
}

resource "aws_vpc_security_group_ingress_rule" "ways" {
  for_each                     = local.ways
  security_group_id            = aws_security_group.parts[each.value.to].id
  referenced_security_group_id = aws_security_group.parts[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "people" {
  for_each          = { for pair in setproduct(var.allowed_networks, [80, 443]) : join(" ", pair) => pair }
  security_group_id = aws_security_group.parts["load-balancer"].id
  cidr_ipv4         = each.value[0]
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
}

resource "aws_vpc_security_group_egress_rule" "out" {
  for_each          = toset(["load-balancer", "airflow", "mlflow", "serving"])
  security_group_id = aws_security_group.parts[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
