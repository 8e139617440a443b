"""GEOMETRY and GEOGRAPHY by Well-Known Binary: made, told apart and handed out. The bytes are the engine's (functions/geo.cc)."""
import srids
from catalogue import special, wrong_count, wrong_type
from errors import unsupported
from kinds import BINARY, INT, STRING, VOID, Kind, integral, spatial
from values import cast, implicit, literal_of, made


def given(c, node, scope, low, high):
    name = node.name.lower()
    if not low <= len(node.expressions) <= high:
        raise wrong_count(name, str(low) if low == high else f"[{low}, {high}]", len(node.expressions))
    return [c.compile(a, scope) for a in node.expressions]


def bytes_of(c, node, e):
    out = implicit(e, BINARY) if e.kind in (BINARY, STRING, VOID) else None
    if out is None:
        raise wrong_type(node.name.lower(), c.shown(node), 0, '"BINARY"', e.kind)
    return out


def place(c, node, e):
    """A value of one of the two types, or NULL."""
    if not spatial(e.kind) and e.kind != VOID:
        raise wrong_type(node.name.lower(), c.shown(node), 0, '("GEOGRAPHY" or "GEOMETRY")', e.kind)
    return cast(e, Kind("geometry", (0,))) if e.kind == VOID else e


def srid_of(c, node, e, name):
    """The number of a spatial reference system, which is part of the type."""
    if not (integral(e.kind) or e.kind == VOID):
        raise wrong_type(node.name.lower(), c.shown(node), 1, '"INT"', e.kind)
    if e.lit is None or e.kind == VOID:
        return None
    if not e.is_literal:
        raise unsupported("A computed SRID", "Write a literal.")
    return srids.checked(name, e.lit)


@special("st_geomfromwkb")
def from_wkb(c, node, scope):
    args = given(c, node, scope, 1, 2)
    wkb, srid = bytes_of(c, node, args[0]), 0
    if len(args) > 1:
        srid = srid_of(c, node, args[1], "geometry")
        if srid is None:
            return literal_of(None, Kind("geometry", ("any",)))
    return made(f"spark_geo_from_wkb({wkb.sql}, {srid}, FALSE)", Kind("geometry", (srid,)), wkb)


@special("st_geogfromwkb")
def geography_from_wkb(c, node, scope):
    (a,) = given(c, node, scope, 1, 1)
    wkb = bytes_of(c, node, a)
    return made(f"spark_geo_from_wkb({wkb.sql}, 4326, TRUE)", Kind("geography", (4326,)), wkb)


@special("st_asbinary")
def as_binary(c, node, scope):
    args = given(c, node, scope, 1, 2)
    a = place(c, node, args[0])
    order = literal_of("NDR", STRING)
    if len(args) > 1:
        order = implicit(args[1], STRING)
        if order is None:
            raise wrong_type("st_asbinary", c.shown(node), 1, '"STRING"', args[1].kind)
    return made(f"spark_geo_as_binary({a.sql}, {order.sql})", BINARY, a, order)


@special("st_srid")
def srid(c, node, scope):
    (a,) = given(c, node, scope, 1, 1)
    a = place(c, node, a)
    return made(f"spark_geo_srid({a.sql})", INT, a)


@special("st_setsrid")
def with_srid(c, node, scope):
    args = given(c, node, scope, 2, 2)
    a = place(c, node, args[0])
    number = srid_of(c, node, args[1], a.kind.name)
    if number is None:
        return literal_of(None, Kind(a.kind.name, ("any",)))
    return made(f"spark_geo_with_srid({a.sql}, {number})", Kind(a.kind.name, (number,)), a)
