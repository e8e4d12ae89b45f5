"""Which topic of a bag is the truth of a camera.

In this order unless the configuration names one: a depth image in the camera's optical frame and of the same size, raw
or as image_transport's `compressedDepth`; a PointCloud2, in the camera's namespace or else the bag's LiDAR; a
DisparityImage in the same frame. The topic nearest to the image by its namespace wins, and where several are as near,
the configuration has to name one.

A model must not be measured against itself, so this package's own answers are no truth: what `--output-bag` adds (under
`prv2`) never is, and a topic `depth/image_rect`, which the node publishes, is not taken where another of the node's
outputs lies beside it or a sensor could be meant. Where nothing of that is in the bag, it is what `prv2 synth --bag`
writes, or a driver of that name: nothing tells the node's depth from theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from prv2_ros.errors import ConfigError, InputError
from prv2_ros.evaluation.bag_index import CLOUD, COMPRESSED, DISPARITY, IMAGE, BagIndex, TopicIndex
from prv2_ros.evaluation.config import CameraTopics, EvaluationConfig, camera_name
from prv2_ros.messages.depth_images import DEPTH_ENCODINGS

NO_DEPTH_WORDS = ("disparity", "mask", "label", "confidence", "compresseddepth")
"""Words in the names of images that are neither pictures nor depth, though their encoding may be that of depth."""

_OUTPUT_NAMESPACE = "prv2"
_NODE_DEPTH, _NODE_POINTS = "depth/image_rect", "points"
NODE_PICTURE = "rgb/image_rect_color"
_NODE_OTHERS = {NODE_PICTURE: IMAGE, "confidence": IMAGE, _NODE_POINTS: CLOUD}
"""What else the node publishes in the camera's frame."""

_LIDAR_WORDS = ("lidar", "velodyne", "ouster", "hesai", "pandar", "livox", "rslidar", "robosense", "sick", "scan")
_KINDS = {IMAGE: "depth", COMPRESSED: "depth", CLOUD: "lidar", DISPARITY: "disparity"}
_COMPRESSED_DEPTH = "/compressedDepth"


def has_word(topic: str, words: Sequence[str]) -> bool:
    """Whether a part of a topic's name is one of the words, or its last part holds one between underscores."""
    last = topic.removesuffix("/compressed").rsplit("/", 1)[-1]
    found = (*topic.lower().split("/"), *last.lower().split("_"))
    return any(word in found for word in words)


def find_topic(index: BagIndex, name: str, kinds: tuple[str, ...], what: str) -> TopicIndex:
    """Return a topic that the configuration or a convention names.

    Raises:
        InputError: it is not in the bag, of another type, or holds no message that can be read.

    """
    found = index.topics.get(name)
    if found is None:
        raise InputError(f"{what} topic {name} is not in the bag. {topics_told(index)}")
    if found.topic.msgtype not in kinds:
        raise InputError(f"{what} topic {name} is {found.topic.msgtype}: expected {' or '.join(kinds)}")
    if not found.entries:
        raise InputError(f"{what} topic {name} has no message that can be read")
    return found


def topics_told(index: BagIndex) -> str:
    """Name the bag's topics and their types, for an error."""
    told = ", ".join(f"{n} ({t.topic.msgtype.rsplit('/', 1)[-1]})" for n, t in list(index.topics.items())[:12])
    return f"Its topics: {told or 'none'}"


def find_truth(
    index: BagIndex, wanted: CameraTopics, image: TopicIndex, config: EvaluationConfig
) -> tuple[TopicIndex, str]:
    """Return the topic of a camera's truth and its kind, one of `records.TRUTH_KINDS`.

    Raises:
        InputError: there is none, or more than one that may be meant.
        ConfigError: the topic that is named is not of the kind that is named.

    """
    if wanted.truth:
        return _named_truth(index, wanted.truth, config)
    kinds = ("depth", "lidar", "disparity") if config.truth.kind == "auto" else (config.truth.kind,)
    for kind in kinds:
        candidates = {"depth": _depth_topics, "lidar": _cloud_topics, "disparity": _disparity_topics}[kind](
            index, wanted.image, image
        )
        if len(candidates) > 1:
            what = {"depth": "depth images", "lidar": "clouds", "disparity": "disparity images"}[kind]
            names = ", ".join(candidate.topic.name for candidate in candidates)
            raise InputError(f"several {what} may be the truth ({names}): name one as truth under cameras")
        if candidates and kind == "depth" and config.truth.kind == "auto":
            _ask_whether_ours(index, wanted.image, image, _transported(candidates[0]))
        if candidates:
            return candidates[0], kind
    raise InputError(
        f"no truth for {wanted.image}: looked for {', '.join(kinds)} (a depth image in frame {image.frame_id!r}, a "
        "LiDAR's PointCloud2, a DisparityImage); name its topic as truth under cameras in the configuration"
    )


def _named_truth(index: BagIndex, name: str, config: EvaluationConfig) -> tuple[TopicIndex, str]:
    found = find_topic(index, name, tuple(_KINDS), "truth")
    kind = _KINDS[found.topic.msgtype]
    if kind == "depth" and found.encoding not in DEPTH_ENCODINGS:
        raise InputError(f"truth topic {name} has encoding {found.encoding!r}: expected 32FC1 or 16UC1")
    if config.truth.kind not in ("auto", kind):
        raise ConfigError(f"truth topic {name} is {kind} and truth.kind says {config.truth.kind}")
    return found, kind


def _ask_whether_ours(index: BagIndex, image_topic: str, image: TopicIndex, depth_topic: str) -> None:
    """Refuse depth that, as far as the bag tells, may be the node's.

    Raises:
        InputError: a sensor's cloud or depth may be meant instead, or another output of the node lies beside it.

    """
    sensors = _sensors(index, image) if depth_topic in _node_topics(image_topic, _NODE_DEPTH) else []
    if sensors:
        raise InputError(
            f"{depth_topic} and {', '.join(sensors)} may be the truth of {image_topic}, and the former may be what "
            "this package's node answered (it publishes that name): set truth under cameras in the configuration to one"
        )
    outputs = _outputs_beside(index, image, depth_topic)
    if outputs:
        raise InputError(
            f"{depth_topic} may be what this package's node answered to {image_topic}: it publishes that name, and "
            f"{', '.join(outputs)} beside it; where it is the truth, set truth under cameras in the configuration to it"
        )


def _sensors(index: BagIndex, image: TopicIndex) -> list[str]:
    """Topics of clouds and of depth in the camera's frame that a sensor gave, by their names and frames."""
    clouds = [cloud.topic.name for cloud in _clouds(index) if _is_of_a_sensor(index, cloud)]
    depths = [_transported(depth) for depth in _registered_depth(index, image)]
    return [*clouds, *(name for name in depths if not name.endswith(f"/{_NODE_DEPTH}"))]


def _outputs_beside(index: BagIndex, image: TopicIndex, depth_topic: str) -> list[str]:
    """Topics like the node's other outputs, in the namespace of a depth image that is named like the node's.

    Which need not be the camera's namespace: the node's inputs may have been remapped.
    """
    namespace = depth_topic.removesuffix(_NODE_DEPTH)
    if not namespace.endswith("/"):
        return []
    beside = {namespace + name: kind for name, kind in _NODE_OTHERS.items()}
    return [
        name
        for name, found in index.topics.items()
        if beside.get(name) == found.topic.msgtype and found.frame_id == image.frame_id
    ]


def _node_topics(image_topic: str, output: str) -> tuple[str, str]:
    """Names of what the node publishes for an image, in the image's namespace and in none."""
    return f"{camera_name(image_topic).rstrip('/')}/{output}", f"/{output}"


def _is_output(topic: TopicIndex) -> bool:
    """Whether `--output-bag` wrote it, see `output_bag`."""
    return _OUTPUT_NAMESPACE in topic.topic.name.split("/")


def _is_lidar(topic: TopicIndex) -> bool:
    return any(word in topic.topic.name.lower() for word in _LIDAR_WORDS)


def _is_of_a_sensor(index: BagIndex, cloud: TopicIndex) -> bool:
    """Whether its name or its frame says so: a cloud in the frame of a camera was made of depth, a model's or not."""
    images = (topic for topic in index.topics.values() if topic.topic.msgtype in (IMAGE, COMPRESSED))
    return _is_lidar(cloud) or cloud.frame_id not in {image.frame_id for image in images}


def _clouds(index: BagIndex) -> list[TopicIndex]:
    return [t for t in index.topics.values() if t.topic.msgtype == CLOUD and t.entries and not _is_output(t)]


def _depth_topics(index: BagIndex, image_topic: str, image: TopicIndex) -> list[TopicIndex]:
    """Depth images in the camera's frame and of its size, of the nearest namespace."""
    return _nearest_namespace(_registered_depth(index, image), image_topic)


def _registered_depth(index: BagIndex, image: TopicIndex) -> list[TopicIndex]:
    """Depth images in the camera's frame and of its size; what is there raw is not taken compressed."""
    raw = {name for name, t in index.topics.items() if t.topic.msgtype == IMAGE and t.entries}
    return [
        t
        for t in index.topics.values()
        if t.topic.msgtype in (IMAGE, COMPRESSED)
        and t.encoding in DEPTH_ENCODINGS
        and t.frame_id == image.frame_id
        and (image.size == (0, 0) or t.size == image.size)
        and not has_word(_transported(t), NO_DEPTH_WORDS)
        and not (t.topic.msgtype == COMPRESSED and _transported(t) in raw)
        and not _is_output(t)
    ]


def _transported(topic: TopicIndex) -> str:
    """Name of the topic that a depth image was published to, whatever image_transport made of it."""
    name = topic.topic.name
    return name.removesuffix(_COMPRESSED_DEPTH) if topic.topic.msgtype == COMPRESSED else name


def _cloud_topics(index: BagIndex, image_topic: str, image: TopicIndex) -> list[TopicIndex]:
    """The cloud in the camera's namespace, else the bag's LiDARs (all clouds where no name says LiDAR)."""
    clouds = _clouds(index)
    own = [t for t in clouds if camera_name(t.topic.name) == camera_name(image_topic)]
    lidars = [t for t in clouds if _is_lidar(t)]
    own_lidars = [t for t in own if t in lidars]
    if own_lidars:
        return own_lidars
    has_node_depth = any(name in index.topics for name in _node_topics(image_topic, _NODE_DEPTH))
    if has_node_depth and [t.topic.name for t in own] == [_node_topics(image_topic, _NODE_POINTS)[0]]:
        # They may be the node's, so they do not go before a sensor's.
        return own + [t for t in clouds if t not in own and _is_of_a_sensor(index, t)]
    return own or lidars or clouds


def _disparity_topics(index: BagIndex, image_topic: str, image: TopicIndex) -> list[TopicIndex]:
    found = [t for t in index.topics.values() if t.topic.msgtype == DISPARITY and t.frame_id == image.frame_id]
    return _nearest_namespace(found, image_topic)


def _nearest_namespace(found: list[TopicIndex], image_topic: str) -> list[TopicIndex]:
    """Those that share most leading parts of their names with the image, in order of name."""

    def shared(topic: TopicIndex) -> int:
        pairs = list(zip(topic.topic.name.split("/"), image_topic.split("/"), strict=False))
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))

    most = max((shared(topic) for topic in found), default=0)
    return sorted((topic for topic in found if shared(topic) == most), key=lambda topic: topic.topic.name)
