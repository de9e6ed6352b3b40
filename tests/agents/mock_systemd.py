"""A template for python-dbusmock: as much of systemd on D-Bus as a unit's life needs, driven by the test.

Run by the system's own Python, which has dbus-python: ``python3 -m dbusmock --system --template THIS``. What a unit does with
the next jobs is set by ``Behave``: "done" at once, "hold" until ``Release``, or another result, with which the unit fails.
"""

import dbus
from dbusmock import MOCK_IFACE, mockobject

BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = "/org/freedesktop/systemd1"
MAIN_IFACE = "org.freedesktop.systemd1.Manager"
UNIT_IFACE = "org.freedesktop.systemd1.Unit"
SERVICE_IFACE = "org.freedesktop.systemd1.Service"
SYSTEM_BUS = True


def load(mock, _parameters):
    mock.behaviour = {}
    mock.jobs = 0
    mock.held = []
    mock.subscribed = False


def _path(name):
    return f"{MAIN_OBJ}/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)


def _unit(mock, name):
    path = _path(name)
    if path not in mockobject.objects:
        unit = {"Id": name, "LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}
        mock.AddObject(path, UNIT_IFACE, unit, [])
        properties = {"Result": "success", "MainPID": dbus.UInt32(0)}
        mockobject.objects[path].AddProperties(SERVICE_IFACE, properties)
    return mockobject.objects[path]


def _job(mock, name, wanted):
    mock.jobs += 1
    path = f"{MAIN_OBJ}/job/{mock.jobs}"
    how = mock.behaviour.get(name, "done")
    if how == "hold":
        _unit(mock, name).UpdateProperties(
            UNIT_IFACE, {"ActiveState": "activating" if wanted == "active" else "deactivating"}
        )
        mock.held.append((path, name, wanted))
    else:
        _finish(mock, path, name, wanted, how)
    return dbus.ObjectPath(path)


def _finish(mock, path, name, wanted, how):
    if how == "done":
        _unit(mock, name).UpdateProperties(UNIT_IFACE, {"ActiveState": wanted})
    elif wanted == "active":
        _unit(mock, name).UpdateProperties(SERVICE_IFACE, {"Result": "exit-code"})
        _unit(mock, name).UpdateProperties(UNIT_IFACE, {"ActiveState": "failed"})
    mock.EmitSignal(MAIN_IFACE, "JobRemoved", "uoss", [dbus.UInt32(mock.jobs), dbus.ObjectPath(path), name, how])


@dbus.service.method(MAIN_IFACE, in_signature="s", out_signature="o")
def LoadUnit(self, name):
    _unit(self, str(name))
    return dbus.ObjectPath(_path(str(name)))


@dbus.service.method(MAIN_IFACE)
def Subscribe(self):
    self.subscribed = True


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="o")
def StartUnit(self, name, _mode):
    return _job(self, str(name), "active")


@dbus.service.method(MAIN_IFACE, in_signature="ss", out_signature="o")
def StopUnit(self, name, _mode):
    return _job(self, str(name), "inactive")


@dbus.service.method(MAIN_IFACE, in_signature="ssi")
def KillUnit(self, name, whom, number):
    if (str(whom), int(number)) != ("all", 9):
        raise dbus.exceptions.DBusException("only SIGKILL to all is expected", name="org.freedesktop.DBus.Error.Failed")
    self.Release("done")


@dbus.service.method(MOCK_IFACE, in_signature="ss")
def Behave(self, name, how):
    self.behaviour[str(name)] = str(how)


@dbus.service.method(MOCK_IFACE, in_signature="s")
def Release(self, how):
    held, self.held = self.held, []
    for path, name, wanted in held:
        _finish(self, path, name, wanted, str(how))


@dbus.service.method(MOCK_IFACE, in_signature="ssss")
def SetState(self, name, loaded, active, result):
    """The unit is there, or changes by itself."""
    unit = _unit(self, str(name))
    unit.UpdateProperties(SERVICE_IFACE, {"Result": str(result)})
    unit.UpdateProperties(UNIT_IFACE, {"LoadState": str(loaded), "ActiveState": str(active)})


@dbus.service.method(MOCK_IFACE, in_signature="su")
def SetMain(self, name, pid):
    _unit(self, str(name)).UpdateProperties(SERVICE_IFACE, {"MainPID": dbus.UInt32(pid)})


@dbus.service.method(MOCK_IFACE, out_signature="b")
def IsSubscribed(self):
    return self.subscribed
