"""The interpreter of a context: ipykernel, with bounds on what waits in its memory. They are set before it starts, for IPython wraps its streams."""
import contextlib


def main():
    from ipykernel import kernelapp
    from ipykernel.iostream import OutStream
    from IPython.core.interactiveshell import InteractiveShell

    from tarn_runtime import output

    output.bounded(OutStream)
    # IPython keeps a copy of all that is printed, for exporting its history: without bound, and nobody asks for it here.
    InteractiveShell._tee = lambda self, channel: contextlib.nullcontext()
    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
