# The load balancer: TLS, and one host name for each program that people and their programs talk to. MLflow has none: few
# people need it, and they reach it with its login as docs/production.md says.

locals {
  entrances = {
    api-server = { host = "airflow.${var.domain}", port = 8080, health = "/api/v2/monitor/health" }
    # With a champion, or where there is none yet: no request reaches a task that is still loading one.
    serving = { host = "predictions.${var.domain}", port = 8100, health = "/readyz?champion=optional" }
  }
  # Airflow waits with a run's answer for as long as the run takes. A program that closed a connection before the load
  # balancer does would now and then cut a request off: "502 Bad Gateway". Those of the image keep theirs for 310 seconds.
  idle_seconds = 300
}

resource "aws_lb" "main" {
  name                       = local.name
  load_balancer_type         = "application"
  subnets                    = [for subnet in aws_subnet.public : subnet.id]
  security_groups            = [aws_security_group.parts["load-balancer"].id]
  drop_invalid_header_fields = true
  enable_deletion_protection = local.is_production
  idle_timeout               = local.idle_seconds
}

resource "aws_lb_target_group" "main" {
  for_each             = local.entrances
  name                 = "${local.name}-${each.key}"
  vpc_id               = aws_vpc.main.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = each.value.port
  deregistration_delay = 30

  health_check {
    path     = each.value.health
    matcher  = "200"
    interval = 15
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "There is nothing at this name."
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener_rule" "main" {
  for_each     = local.entrances
  listener_arn = aws_lb_listener.https.arn

  condition {
    host_header {
      values = [each.value.host]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.main[each.key].arn
  }
}
