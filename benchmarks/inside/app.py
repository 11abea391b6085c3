"""A program that does nothing but be served, as ``measured``."""

__all__ = ["APP"]

APP = """
import asyncio, aiorepl
async def main():
    aiorepl.serve("measured")
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""
