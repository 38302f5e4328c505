"""One environment is built on an emulated AWS, found as described, rolled back, left alone and removed.

Green proves wiring and the provider's schema. It does not prove that AWS accepts it: docs/how-to/deploy.md says more.
"""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.deploy import Deployment, TerraformError

NAME = "infra-test-dev"
PROCESSES = ["api", "beat", "worker-documents", "worker-turns"]
WORLD = "0.0.0.0/0"


@pytest.mark.slow
@pytest.mark.proves("INT-5")
def test_an_environment_is_built_rolled_back_and_removed_from_code(
    account: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(account, "dev")
    assert deployment.apply(auto_approve=True) > 80
    assert deployment.outputs()["service_names"] == PROCESSES
    check_network()
    check_data()
    check_services()
    check_permissions()
    check_secrets(secrets)

    monkeypatch.setenv("TF_VAR_image", "registry.example.com/app@sha256:crashes")
    with pytest.raises(TerraformError):
        deployment.apply(auto_approve=True)
    assert image_of("api").endswith("good"), "the circuit breaker's rollback was undone"

    monkeypatch.setenv("TF_VAR_image", "registry.example.com/app@sha256:better")
    deployment.apply(auto_approve=True)
    assert [image_of(process)[-6:] for process in PROCESSES] == ["better"] * 4
    assert deployment.plan() == 0, "a second plan finds something to change"

    for name in [*secrets, "image"]:
        monkeypatch.delenv(f"TF_VAR_{name}")
    deployment.destroy(auto_approve=True)
    assert leftovers() == {}


@pytest.mark.slow
@pytest.mark.proves("INT-5")
@pytest.mark.usefixtures("secrets")
def test_production_survives_a_zone_and_keeps_its_data(account: Path) -> None:
    with Deployment(account, "prod").planned() as plan:
        database = planned(plan.content, "module.data.aws_db_instance.this")
        redis = planned(plan.content, "module.data.aws_elasticache_replication_group.this")
        balancer = planned(plan.content, "module.service.aws_lb.this")
    assert [database[name] for name in ("multi_az", "deletion_protection", "storage_encrypted")] == [True] * 3
    assert database["skip_final_snapshot"] is False
    assert [redis[name] for name in ("multi_az_enabled", "automatic_failover_enabled")] == [True] * 2
    assert balancer["enable_deletion_protection"] is True


def planned(plan: dict[str, Any], address: str) -> dict[str, Any]:
    """Return the attributes that a resource will have."""
    [after] = [one["change"]["after"] for one in plan["resource_changes"] if one["address"] == address]
    return dict(after)


def check_network() -> None:
    groups = {
        group["GroupName"]: group
        for group in boto3.client("ec2").describe_security_groups(Filters=ours())["SecurityGroups"]
    }
    assert open_ports(groups, "IpPermissions") == {f"{NAME}-alb": {80, 443}}
    assert open_ports(groups, "IpPermissionsEgress") == {f"{NAME}-app": {443}}
    assert not groups["default"]["IpPermissions"] + groups["default"]["IpPermissionsEgress"]

    balancer = boto3.client("elbv2")
    [arn] = [one["LoadBalancerArn"] for one in balancer.describe_load_balancers()["LoadBalancers"]]
    listeners = {one["Port"]: one for one in balancer.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    assert listeners[443]["Protocol"] == "HTTPS"
    assert "TLS13" in listeners[443]["SslPolicy"]
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"


def ours() -> list[dict[str, Any]]:
    vpcs = boto3.client("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [NAME]}])["Vpcs"]
    return [{"Name": "vpc-id", "Values": [vpc["VpcId"] for vpc in vpcs]}]


def open_ports(groups: dict[str, Any], direction: str) -> dict[str, set[int]]:
    """Return the ports that each group opens to, or from, anywhere; -1 stands for all of them."""
    found: dict[str, set[int]] = {}
    for name, group in groups.items():
        for rule in group[direction]:
            if any(one["CidrIp"] == WORLD for one in rule["IpRanges"]) or rule.get("Ipv6Ranges"):
                found.setdefault(name, set()).update({rule.get("FromPort", -1), rule.get("ToPort", -1)})
    return found


def check_data() -> None:
    [database] = boto3.client("rds").describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"] is True
    assert database["PubliclyAccessible"] is False
    assert database["BackupRetentionPeriod"] >= 1
    [redis] = boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert redis["TransitEncryptionEnabled"]
    assert redis["AtRestEncryptionEnabled"]
    assert redis["AuthTokenEnabled"]


def check_services() -> None:
    ecs = boto3.client("ecs")
    services = ecs.describe_services(cluster=NAME, services=PROCESSES)["services"]
    assert sorted(service["serviceName"] for service in services) == PROCESSES
    for service in services:
        assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    commands = {process: containers_of(process)[process]["command"] for process in PROCESSES}
    assert commands == {
        "api": ["serve"],
        "beat": ["worker", "beat"],
        "worker-documents": ["worker", "documents"],
        "worker-turns": ["worker", "turns"],
    }
    checked = [process for process in PROCESSES if "healthCheck" in containers_of(process)[process]]
    assert checked == ["worker-documents", "worker-turns"]
    given = {one["name"]: one["value"] for one in containers_of("api")["api"]["environment"]}
    assert given["APP_ENVIRONMENT"] == "production"
    assert given["APP_OIDC_ISSUER"] == "https://login.example.com"
    for process in PROCESSES:
        for container in containers_of(process).values():
            assert container["readonlyRootFilesystem"] is True and container["user"] == "10001:10001"
            assert [mount["containerPath"] for mount in container["mountPoints"]] == ["/tmp"]
    assert containers_of("api")["api"]["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}]
    targets = boto3.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    scaled = sorted(target["ResourceId"].split("/")[-1] for target in targets["ScalableTargets"])
    assert scaled == ["api", "worker-documents", "worker-turns"]


def containers_of(process: str) -> dict[str, dict[str, Any]]:
    ecs = boto3.client("ecs")
    [service] = ecs.describe_services(cluster=NAME, services=[process])["services"]
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    return {container["name"]: container for container in task["containerDefinitions"]}


def image_of(process: str) -> str:
    return str(containers_of(process)[process]["image"])


def check_permissions() -> None:
    iam = boto3.client("iam")
    for process in PROCESSES:
        assert iam.list_role_policies(RoleName=f"{NAME}-{process}-task")["PolicyNames"] == []
        start = iam.get_role_policy(RoleName=f"{NAME}-{process}-execution", PolicyName="start-task")["PolicyDocument"]
        assert not any("*" in action for one in start["Statement"] for action in listed(one["Action"]))
        may_migrate = "DATABASE_OWNER_URL" in json.dumps(start)
        assert may_migrate == (process == "api")


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def check_secrets(secrets: dict[str, str]) -> None:
    manager = boto3.client("secretsmanager")
    held = {
        one["Name"].split("/")[-1]: manager.get_secret_value(SecretId=one["ARN"])["SecretString"]
        for one in manager.list_secrets()["SecretList"]
    }
    assert held["DATABASE_URL"].startswith(f"postgresql://app_owner:{secrets['database_password']}@")
    assert held["DATABASE_URL"].endswith(":5432/app?sslmode=require&options=-c%20role%3Dapp_service")
    assert held["REDIS_URL"].startswith(f"rediss://:{secrets['redis_auth_token']}@")
    assert held["APP_SECRET_KEY"] == secrets["app_secret_key"]
    assert held["APP_DATA_KEYS"] == secrets["app_data_keys"]
    assert held["OPENAI_API_KEY"] == secrets["model_api_key"]
    assert held["APP_OIDC_CLIENT_SECRET"] == secrets["oidc_client_secret"]
    given = {one["name"] for one in containers_of("api")["api"]["secrets"]}
    assert given == held.keys() - {"DATABASE_OWNER_URL"}

    state = boto3.client("s3").get_object(Bucket="infra-test-terraform-state", Key="dev/terraform.tfstate")
    text = state["Body"].read().decode()
    assert [name for name, value in secrets.items() if value in text] == ["redis_auth_token"]


def leftovers() -> dict[str, list[str]]:
    """Return what is still in the account, by kind; the network that AWS gives every account is no leftover."""
    ec2 = boto3.client("ec2")
    found = {
        "networks": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "addresses": [one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]],
        "databases": [
            one["DBInstanceIdentifier"] for one in boto3.client("rds").describe_db_instances()["DBInstances"]
        ],
        "snapshots": [
            one["DBSnapshotIdentifier"] for one in boto3.client("rds").describe_db_snapshots()["DBSnapshots"]
        ],
        "caches": [
            one["ReplicationGroupId"]
            for one in boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]
        ],
        "balancers": [
            one["LoadBalancerName"] for one in boto3.client("elbv2").describe_load_balancers()["LoadBalancers"]
        ],
        "clusters": active_clusters(),
        "tasks": boto3.client("ecs").list_task_definitions(status="ACTIVE")["taskDefinitionArns"],
        "secrets": [one["Name"] for one in boto3.client("secretsmanager").list_secrets()["SecretList"]],
        "roles": [one["RoleName"] for one in boto3.client("iam").list_roles()["Roles"] if NAME in one["RoleName"]],
        "logs": [one["logGroupName"] for one in boto3.client("logs").describe_log_groups()["logGroups"]],
    }
    return {kind: names for kind, names in found.items() if names}


def active_clusters() -> list[str]:
    """Return the clusters that are not deleted: ECS, and so moto, goes on listing those for a while."""
    ecs = boto3.client("ecs")
    described = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    return [one["clusterName"] for one in described if one["status"] == "ACTIVE"]
