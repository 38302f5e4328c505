"""AWS on loopback for the Terraform test: moto_server plus the few calls and fields that moto 5.2 lacks.

Run as a program of its own (`python emulator.py -H 127.0.0.1 -p 5555`), so that no patch leaks into other tests.
Each addition is a handler on the service's response class; moto finds it by the action's name.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.elasticache.exceptions import CacheClusterNotFound, ElastiCacheException
from moto.elasticache.responses import ElastiCacheResponse
from moto.rds.responses import RDSResponse
from moto.server import main

Handler = Callable[[Any], Any]
GROUPS: dict[str, dict[str, Any]] = {}
GROUP_VALUES: dict[str, dict[str, str]] = {}
TAGS: dict[str, Any] = {}
CRASHES = "crashes"


def replaces(response: type, action: str) -> Callable[[Callable[[Any, Handler], Any]], None]:
    """Put the decorated handler in place of moto's own, which it gets as its second argument."""

    def install(handler: Callable[[Any, Handler], Any]) -> None:
        original = getattr(response, action, None)
        setattr(response, action, lambda self: handler(self, original or _missing))

    return install


def _missing(_: object) -> Any:
    raise NotImplementedError


# Calls that moto lacks: ElastiCache parameter groups and subnet group deletion, autoscaling tags.


@replaces(ElastiCacheResponse, "create_cache_parameter_group")
def _create_group(self: Any, _: Handler) -> Any:
    name = self._get_param("CacheParameterGroupName")
    GROUPS[name] = {
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": self._get_param("CacheParameterGroupFamily"),
        "Description": self._get_param("Description"),
        "ARN": f"arn:aws:elasticache:{self.region}:{self.current_account}:parametergroup:{name}",
    }
    GROUP_VALUES[name] = {}
    TAGS[GROUPS[name]["ARN"]] = self._get_param("Tags", [])
    return ActionResult({"CacheParameterGroup": GROUPS[name]})


@replaces(ElastiCacheResponse, "describe_cache_parameter_groups")
def _describe_groups(self: Any, _: Handler) -> Any:
    name = self._get_param("CacheParameterGroupName")
    if name and name not in GROUPS:
        raise ElastiCacheException("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
    return ActionResult({"CacheParameterGroups": [GROUPS[name]] if name else list(GROUPS.values())})


@replaces(ElastiCacheResponse, "modify_cache_parameter_group")
def _modify_group(self: Any, _: Handler) -> Any:
    name = self._get_param("CacheParameterGroupName")
    for item in self._get_param("ParameterNameValues", []):
        GROUP_VALUES[name][item["ParameterName"]] = item["ParameterValue"]
    return ActionResult({"CacheParameterGroupName": name})


@replaces(ElastiCacheResponse, "describe_cache_parameters")
def _describe_values(self: Any, _: Handler) -> Any:
    values = GROUP_VALUES.get(self._get_param("CacheParameterGroupName"), {})
    found = [{"ParameterName": name, "ParameterValue": value, "Source": "user"} for name, value in values.items()]
    return ActionResult({"Parameters": found})


@replaces(ElastiCacheResponse, "delete_cache_parameter_group")
def _delete_group(self: Any, _: Handler) -> Any:
    GROUPS.pop(self._get_param("CacheParameterGroupName"), None)
    return EmptyResult()


@replaces(ElastiCacheResponse, "delete_cache_subnet_group")
def _delete_subnet_group(self: Any, _: Handler) -> Any:
    self.elasticache_backend.cache_subnet_groups.pop(self._get_param("CacheSubnetGroupName"), None)
    return EmptyResult()


@replaces(ElastiCacheResponse, "list_tags_for_resource")
def _cache_tags(self: Any, original: Handler) -> Any:
    arn = self._get_param("ResourceName")
    return ActionResult({"TagList": TAGS[arn]}) if arn in TAGS else original(self)


@replaces(ApplicationAutoScalingResponse, "register_scalable_target")
def _register_target(self: Any, original: Handler) -> Any:
    answer = original(self)
    if self._get_param("Tags"):
        TAGS[json.loads(answer)["ScalableTargetARN"]] = self._get_param("Tags")
    return answer


@replaces(ApplicationAutoScalingResponse, "list_tags_for_resource")
def _target_tags(self: Any, _: Handler) -> Any:
    return json.dumps({"Tags": TAGS.get(self._get_param("ResourceARN"), {})})


# Answers that moto gives otherwise than AWS: each would show as drift or as a delete that never ends.


@replaces(ElastiCacheResponse, "delete_replication_group")
def _delete_replication_group(self: Any, original: Handler) -> Any:
    answer = original(self)
    self.elasticache_backend.replication_groups.pop(self._get_param("ReplicationGroupId"), None)
    return answer


@replaces(ElastiCacheResponse, "describe_cache_clusters")
def _describe_clusters(self: Any, original: Handler) -> Any:
    try:
        return original(self)
    except CacheClusterNotFound:
        wanted = self._get_param("CacheClusterId")
        for group in self.elasticache_backend.replication_groups.values():
            if wanted in group.member_clusters:
                return ActionResult({"CacheClusters": [_member(wanted, group)]})
        raise


def _member(cluster_id: str, group: Any) -> dict[str, Any]:
    return {
        "CacheClusterId": cluster_id,
        "ReplicationGroupId": group.replication_group_id,
        "CacheClusterStatus": "available",
        "Engine": group.engine,
        "EngineVersion": "7.1.0",
        "CacheNodeType": group.cache_node_type,
        "CacheParameterGroup": {"CacheParameterGroupName": group.cache_parameter_group_name},
        "CacheSubnetGroupName": group.cache_subnet_group_name,
        "SecurityGroups": [{"SecurityGroupId": one, "Status": "active"} for one in group.security_group_ids],
        "AutoMinorVersionUpgrade": True,
        "AtRestEncryptionEnabled": True,
        "TransitEncryptionEnabled": True,
    }


@replaces(RDSResponse, "describe_db_parameters")
def _database_parameters(self: Any, original: Handler) -> Any:
    answer = original(self)
    for parameter in answer.result["Parameters"]:
        parameter["Source"] = "user"
    return answer


def _keep_service_fields(self: Any, answer: Any) -> None:
    service = answer.result["service"]
    for name, attribute in (
        ("deploymentConfiguration", "deployment_configuration"),
        ("availabilityZoneRebalancing", "availability_zone_rebalancing"),
        ("healthCheckGracePeriodSeconds", "health_check_grace_period_seconds"),
    ):
        if self._get_param(name) is not None:
            setattr(service, attribute, self._get_param(name))


@replaces(EC2ContainerServiceResponse, "create_service")
def _create_service(self: Any, original: Handler) -> Any:
    answer = original(self)
    _keep_service_fields(self, answer)
    return answer


@replaces(EC2ContainerServiceResponse, "update_service")
def _update_service(self: Any, original: Handler) -> Any:
    """Do what the circuit breaker does, at once: an image that "crashes" leaves the service on the task before it."""
    service = self.ecs_backend._get_service(self._get_param("cluster"), self._get_param("service").split("/")[-1])
    before = service.task_definition
    answer = original(self)
    _keep_service_fields(self, answer)
    task = self.ecs_backend.describe_task_definition(service.task_definition)
    if CRASHES in task.container_definitions[0]["image"]:
        service.task_definition = before
    return answer


_description = property(lambda rule: rule.ip_range.get("Description") or rule.source_group.get("Description"))
SecurityGroupRule.description = _description  # type: ignore[assignment]


@replaces(BaseResponse, "call_action")
def _fail_at_once(self: Any, original: Handler) -> Any:
    """Answer a missing action with 400: the AWS SDK would retry moto's 500 for minutes."""
    try:
        return original(self)
    except NotImplementedError as error:
        headers = {"x-amzn-errortype": "NotImplementedException"}
        return 400, headers, json.dumps({"__type": "NotImplementedException", "message": str(error)})


if __name__ == "__main__":
    main(sys.argv[1:])
